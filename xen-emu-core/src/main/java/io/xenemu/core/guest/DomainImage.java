package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.Hypervisor;
import org.jspecify.annotations.Nullable;

/// What a guest's first domain is made of, if the guest does not boot: what this program has saved ([GuestImage]), or
/// real Xen ([XenGuestImage]).
interface DomainImage extends AutoCloseable {
    /// The guest's request, for its reboots.
    GuestRequest request();

    /// Builds the guest's domain, which is not started. The image is read and checked to its end before anything of the
    /// guest can be seen.
    ///
    /// @param orders takes an operator's orders for the domain
    /// @param console the host's end of the PV console, if any
    /// @param serial that of the serial port, if any
    /// @throws BootException if the image cannot be used, the domain's id is in use, or the domain cannot be had on
    ///     this host
    GuestBoot restore(
            Hypervisor hypervisor,
            DomainDriver orders,
            @Nullable HostConsole console,
            @Nullable HostConsole serial)
            throws BootException;

    /// Whether each boot of the guest is made of it, not only the first.
    default boolean isForEachBoot() {
        return false;
    }

    /// Bytes of the host's memory that the guest has already, from another process.
    long heldBytes();

    /// Makes a restore end soon, on another thread.
    void cancel();

    @Override
    void close();
}
