/// The control protocol, and what an operator may ask.
///
/// Start at [ControlSocket] and [VerbTable].
///
/// Families of files:
///
/// - What both sides say: [ControlProtocol], [ControlRequest]; as [Json] by [JsonReader], [JsonWriter],
///   [JsonException].
/// - The service's side: [ControlSocket], [ServedConnection], [RequestLines], [ControlOutput], [ControlReply],
///   [SocketDeadline], [ClientWatch].
/// - The client's side: [ControlClient], [ControlConnection].
/// - The table of verbs: [ControlCommands], [VerbTable], [Verb], [VerbArgument], [VerbCall]; what they work on:
///   [OperatedService].
/// - The handlers, a family each: [GuestCommands], [DomainCommands], [MemoryCommands], [VcpuCommands], [DebugCommands],
///   [DeviceCommands].
/// - What handlers use: [DebugKeys], [DomainRow], [VcpuRow].
/// - Sessions: [ConsoleSession], [EventSession], [TraceSession] with [TraceJson].
///
/// Locks: that of [RequestLines], a leaf.
@NullMarked
package io.xenemu.core.control;

import org.jspecify.annotations.NullMarked;
