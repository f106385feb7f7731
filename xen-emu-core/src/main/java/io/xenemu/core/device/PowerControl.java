package io.xenemu.core.device;

/// The effects of the hardware's power registers.
public interface PowerControl {
    /// Turns the guest off.
    void powerOff();

    /// Resets the guest.
    void reset();
}
