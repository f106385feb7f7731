package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.DomId;
import java.time.Instant;
import java.util.UUID;

/// The contents of a domain's initial nodes.
///
/// @param domain its id
/// @param uuid its UUID, which names its directory below `/vm`
/// @param name its name
/// @param started the time of its creation
/// @param staticMaxKiB the most memory it can ever have, in KiB
/// @param targetKiB the memory that its balloon driver has to reach, in KiB
/// @param videoRamKiB the part of it that is video memory, in KiB; 0 for none
/// @param vcpus the number of its virtual CPUs
/// @param onlineVcpus the number of them, from 0 on, that are online at first
/// @param store frame and port of its XenStore ring
/// @param console frame and port of its console
/// @param consoleTty the console's terminal on the host; may be empty
public record DomainDescription(
        DomId domain,
        UUID uuid,
        String name,
        Instant started,
        long staticMaxKiB,
        long targetKiB,
        long videoRamKiB,
        int vcpus,
        int onlineVcpus,
        SharedRing store,
        SharedRing console,
        String consoleTty) {
    /// This description with another name and UUID.
    public DomainDescription renamed(UUID otherUuid, String otherName) {
        return new DomainDescription(
                domain,
                otherUuid,
                otherName,
                started,
                staticMaxKiB,
                targetKiB,
                videoRamKiB,
                vcpus,
                onlineVcpus,
                store,
                console,
                consoleTty);
    }

    /// The address of a ring in the guest.
    ///
    /// @param gfn guest frame of the page
    /// @param port event channel port in the guest
    public record SharedRing(long gfn, int port) {}
}
