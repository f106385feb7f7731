package io.xenemu.core.service;

import com.google.common.net.HostAndPort;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.hypervisor.DomainIdPolicy;
import io.xenemu.xenstore.quota.Quotas;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The options of `xen-emu daemon`.
///
/// @param controlSocket the socket for the operator's commands
/// @param controlGroup a group whose members may use it, too, or null
/// @param attachSocket the socket at which VMMs attach their machines, or null
/// @param deviceSocket the socket at which processes of remote devices get interrupt lines, or null
/// @param xenstoreSocket the socket of XenStore for host tools
/// @param quotas limits of what a guest may have in XenStore
/// @param engines the engines that serve devices
/// @param domids the policy for the ids of domains
/// @param stopTimeout time for its guests to power off when it is stopped; zero ends them at once
/// @param dumps the folder for core dumps, which may not be there yet
/// @param migrations the folder for the decisions of migrations, which may not be there yet
/// @param metrics the address of the metrics, or null
/// @param pidFile the file for the process id, or null
/// @param upgrades whether it takes over the guests of the daemon at the control socket
public record DaemonRequest(
        Path controlSocket,
        @Nullable String controlGroup,
        @Nullable Path attachSocket,
        @Nullable Path deviceSocket,
        Path xenstoreSocket,
        Quotas quotas,
        List<EngineSpec> engines,
        DomainIdPolicy domids,
        Duration stopTimeout,
        Path dumps,
        Path migrations,
        @Nullable HostAndPort metrics,
        @Nullable Path pidFile,
        boolean upgrades) {
    public DaemonRequest {
        engines = List.copyOf(engines);
    }
}
