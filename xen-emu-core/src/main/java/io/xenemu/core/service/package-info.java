/// Processes: the daemon, a guest in the foreground, and XenStore alone.
///
/// - The daemon: [Daemon], [DaemonRequest], [TakenOver], [AttachSocket]. In the foreground: [GuestRun], [RunRequest].
/// - XenStore alone: [StoreDaemon], [StoreDaemonRequest], [StoreSocketPath].
/// - Meters: [ServiceMetrics], with [DomainCollector] and [ProcessCollector].
/// - Parts of each process: [ServiceHypervisor], [ServiceEngines], [HeapTrim], [PidFile],
///   [Resources].
///
/// The monitor of [AttachSocket] is a leaf.
@NullMarked
package io.xenemu.core.service;

import org.jspecify.annotations.NullMarked;
