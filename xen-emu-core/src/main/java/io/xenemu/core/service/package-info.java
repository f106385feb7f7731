/// Processes: the daemon, a guest in the foreground, and XenStore alone.
///
/// - The daemon: [Daemon], [DaemonRequest], [TakenOver]. In the foreground: [GuestRun], [RunRequest].
/// - XenStore alone: [StoreDaemon], [StoreDaemonRequest], [StoreSocketPath].
/// - Parts of each process: [ServiceHypervisor], [ServiceMetrics], [ServiceEngines], [HeapTrim], [PidFile],
///   [Resources].
///
/// No locks of its own.
@NullMarked
package io.xenemu.core.service;

import org.jspecify.annotations.NullMarked;
