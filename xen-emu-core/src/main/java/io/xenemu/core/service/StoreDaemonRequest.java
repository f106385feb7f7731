package io.xenemu.core.service;

import com.google.common.net.HostAndPort;
import io.xenemu.xenstore.quota.Quotas;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// What `xen-emu xenstored` was asked for.
///
/// @param socket where to listen; null for the socket that the process was started with, or else where the Xen tools
///     look
/// @param pidFile where to write the process id
/// @param quotas limits of guests
/// @param restore a stream that has the store at the start
/// @param persist the file that keeps the store
/// @param metrics where to serve metrics
public record StoreDaemonRequest(
        @Nullable Path socket,
        @Nullable Path pidFile,
        Quotas quotas,
        @Nullable Path restore,
        @Nullable Path persist,
        @Nullable HostAndPort metrics) {}
