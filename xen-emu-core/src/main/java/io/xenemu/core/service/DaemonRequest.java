package io.xenemu.core.service;

import com.google.common.net.HostAndPort;
import io.xenemu.xenstore.quota.Quotas;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// What `xen-emu daemon` was asked for.
///
/// @param controlSocket where the operator's commands are served
/// @param controlGroup a group whose members may use it, too, or null
/// @param xenstoreSocket where host tools find XenStore
/// @param quotas limits of what a guest may have in XenStore
/// @param stopTimeout how long its guests may take to power off when it is stopped; zero ends them at once
/// @param dumps the folder for core dumps, which may not be there yet
/// @param metrics where metrics are served, or null
/// @param pidFile where the process id is written, or null
public record DaemonRequest(
        Path controlSocket,
        @Nullable String controlGroup,
        Path xenstoreSocket,
        Quotas quotas,
        Duration stopTimeout,
        Path dumps,
        @Nullable HostAndPort metrics,
        @Nullable Path pidFile) {}
