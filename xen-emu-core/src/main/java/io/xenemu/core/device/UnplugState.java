package io.xenemu.core.device;

/// The saved state of the unplug ports.
///
/// @param product the number of the guest's PV drivers, 16 bits; 0 for none
/// @param blacklisted whether these drivers are not to load
/// @param flags platform flags, 8 bits
public record UnplugState(int product, boolean blacklisted, int flags) {
    /// Ports that no driver has used yet.
    public static final UnplugState INITIAL = new UnplugState(0, false, 0);

    /// Checks the ranges.
    ///
    /// @throws IllegalArgumentException if a number has too many bits
    public UnplugState {
        if (product < 0 || product > 0xffff || flags < 0 || flags > 0xff) {
            throw new IllegalArgumentException("the state of the unplug ports is out of range");
        }
    }
}
