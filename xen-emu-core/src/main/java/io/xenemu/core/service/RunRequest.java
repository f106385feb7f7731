package io.xenemu.core.service;

import com.google.common.net.HostAndPort;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.hypervisor.DomainIdPolicy;
import io.xenemu.xenstore.quota.Quotas;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The options of `xen-emu run`.
///
/// @param guest the guest
/// @param beside another guest of the same service, in the background, which ends with it; or null
/// @param console whether the PV console is on stdin and stdout
/// @param serial whether the serial port is; input goes to the console if both are
/// @param xenstoreSocket the socket of XenStore for host tools, or null
/// @param quotas limits of what the guest may have in XenStore
/// @param engines the engines that serve devices
/// @param domids the policy for the ids of domains
/// @param controlSocket the socket for the operator's commands, or null
/// @param controlGroup a group whose members may use it, too, or null
/// @param dumps the folder for core dumps, which may not be there yet
/// @param metrics the address of the metrics, or null
/// @param timeout after which the guest is stopped, or null
/// @param stopTimeout time for the guest to power off when the process is terminated; zero ends it at once
/// @param labRelay inside the lab, the port by which the host reaches XenStore; else null
public record RunRequest(
        GuestRequest guest,
        @Nullable GuestRequest beside,
        boolean console,
        boolean serial,
        @Nullable Path xenstoreSocket,
        Quotas quotas,
        List<EngineSpec> engines,
        DomainIdPolicy domids,
        @Nullable Path controlSocket,
        @Nullable String controlGroup,
        Path dumps,
        @Nullable HostAndPort metrics,
        @Nullable Duration timeout,
        Duration stopTimeout,
        @Nullable Integer labRelay) {
    public RunRequest {
        engines = List.copyOf(engines);
    }
}
