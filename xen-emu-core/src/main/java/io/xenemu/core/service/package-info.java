/// Processes: the daemon, a guest in the foreground, and XenStore alone.
///
/// - The daemon: [Daemon], [DaemonRequest], [TakenOver]. In the foreground: [GuestRun], [RunRequest].
/// - Sockets for other processes: [ProcessSocket]; processes of remote devices [RemoteDevices], [RemoteProcess].
/// - XenStore alone: [StoreDaemon], [StoreDaemonRequest], [StoreSocketPath].
/// - Meters: [ServiceMetrics], with [DomainCollector] and [ProcessCollector].
/// - Parts of each process: [ServiceHypervisor], [ServiceEngines], [HeapTrim], [PidFile],
///   [Resources].
///
/// The monitor of [ProcessSocket] is a leaf.
@NullMarked
package io.xenemu.core.service;

import org.jspecify.annotations.NullMarked;
