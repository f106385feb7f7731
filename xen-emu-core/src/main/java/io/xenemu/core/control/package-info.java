/// The control protocol, and the commands that an operator may send.
///
/// Start at [ControlSocket] and [VerbTable].
///
/// Families of files:
///
/// - The protocol: [ControlProtocol], [ControlRequest]; its text is [io.xenemu.core.json.Json].
/// - The service's side: [ControlSocket], [ServedConnection], [RequestLines], [ControlOutput], [ControlReply],
///   [SocketDeadline], [ClientWatch].
/// - The client's side: [ControlClient], [ControlConnection], [ClientStream], [ConsoleRelay].
/// - The table of verbs: [ControlCommands], [VerbTable], [Verb], [VerbArgument], [VerbCall]. They work on
///   [OperatedService].
/// - The handlers, a family each: [GuestCommands], [DomainCommands], [SaveCommands],
///   [MigrationCommands], [UpgradeCommands], [MemoryCommands], [VcpuCommands],
///   [DebugCommands], [ChannelCommands], [DeviceCommands], [EngineCommands], [HostCommands].
/// - Used by handlers: [DomainRow], [VcpuRow], [EngineRow], [DomainEngineRow], [TopTable] with [DomainTraffic],
///   [CpuRanges], [LogRing].
/// - Debug keys: [DebugKeys], [DebugKey]; their output is [DebugRows], from [DomainDebug] and [VcpuDebug].
/// - Sessions: [ConsoleSession], [EventSession], [TraceSession] with [TraceJson].
///
/// Locks: those of [RequestLines], of [ConsoleRelay] and of [LogRing], leaves.
@NullMarked
package io.xenemu.core.control;

import org.jspecify.annotations.NullMarked;
