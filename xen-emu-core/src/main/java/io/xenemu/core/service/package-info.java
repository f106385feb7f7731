/// The service: the domains of one process, the XenStore they share, guests over their reboots, and the control
/// socket.
///
/// Start at `Hypervisor` (what Xen and domain 0 are), then `Guest` (a guest over its boots), then `ControlSocket`
/// and `OperatorCommands`.
///
/// Families of files:
///
/// - The process: `Hypervisor`, [Daemon], [DaemonRequest], `HostKvm`, `HostException`, [ServiceMetrics],
///   [HeapTrim], [PidFile], [Resources].
/// - Memory of the host: `HostMemory`, `MemoryAdmission`.
/// - A guest: `Guest`, `GuestRequest`, `GuestDevices`, `RestartLimit`, `OrderlyStop`; its channels to domain 0
///   `StoreChannel` and `ConsoleChannel`.
/// - In the foreground: [GuestRun], [RunRequest], `RunOutcome`, `BesideGuest`. In the background: `HostedGuests`,
///   `HostedGuest`.
/// - The control protocol: `ControlSocket`, `ControlReply`, `ControlWords`, `SocketDeadline`, `ClientWatch`; the
///   client's side `ControlClient` and `ControlConnection`.
/// - Requests: `DaemonCommands`, `OperatorCommands`, `DeviceCommands`, `DebugKeys`, `NamedDomains`, `DomainRow`,
///   `GuestWords`, `ConsoleSession`.
/// - XenStore alone: [StoreDaemon], [StoreDaemonRequest], [StoreSocketPath].
///
/// Locks: `operated` of `Hypervisor` is held while a command works on domains, so that none is closed meanwhile; a
/// pause waits for vCPUs under it. `moving` of `GuestDevices` is held while bytes move between a console and the
/// host. The monitors of `HostedGuests` and `MemoryAdmission` are leaves.
@NullMarked
package io.xenemu.core.service;

import org.jspecify.annotations.NullMarked;
