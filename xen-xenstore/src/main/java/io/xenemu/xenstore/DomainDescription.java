package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import java.time.Instant;
import java.util.UUID;

/// What the initial nodes of a domain say.
///
/// @param domain its id
/// @param uuid its UUID, which names its directory below `/vm`
/// @param name its name
/// @param started when it was created
/// @param staticMaxKiB the most memory it can ever have, in KiB
/// @param targetKiB the memory it is to have now, in KiB; what its balloon driver follows
/// @param videoRamKiB the part of it that is video memory, in KiB; 0 for none
/// @param vcpus how many virtual CPUs it has
/// @param onlineVcpus how many of them, from 0 on, are to be online
/// @param store frame and port of its XenStore ring
/// @param console frame and port of its console
/// @param consoleTty where a user of the host finds the console; may be empty
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
    /// A ring as the guest finds it.
    ///
    /// @param gfn guest frame of the page
    /// @param port event channel port in the guest
    public record SharedRing(long gfn, int port) {}
}
