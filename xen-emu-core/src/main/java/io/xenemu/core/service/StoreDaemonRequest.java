package io.xenemu.core.service;

import com.google.common.net.HostAndPort;
import io.xenemu.xenstore.quota.Quotas;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The options of `xen-emu xenstored`.
///
/// @param socket the path to listen at; null for the socket that the process was started with, else the default path of
///     the Xen tools
/// @param pidFile the file for the process id
/// @param quotas limits of guests
/// @param restore a stream that has the store at the start
/// @param persist the file that keeps the store
/// @param metrics the address of the metrics
public record StoreDaemonRequest(
        @Nullable Path socket,
        @Nullable Path pidFile,
        Quotas quotas,
        @Nullable Path restore,
        @Nullable Path persist,
        @Nullable HostAndPort metrics) {}
