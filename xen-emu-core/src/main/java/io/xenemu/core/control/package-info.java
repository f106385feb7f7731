/// The control protocol, and what an operator may ask.
///
/// Start at [ControlSocket] and [VerbTable].
///
/// Families of files:
///
/// - The service's side: [ControlSocket], [ControlReply], [ControlWords], [SocketDeadline], [ClientWatch].
/// - The client's side: [ControlClient], [ControlConnection].
/// - The table of verbs: [ControlCommands], [VerbTable], [Verb], [VerbArgument], [VerbCall]; what they work on: [OperatedService].
/// - The handlers, a family each: [GuestCommands], [DomainCommands], [DebugCommands], [DeviceCommands].
/// - What handlers use: [DebugKeys], [DomainRow], [GuestWords], [ConsoleSession].
///
/// No locks of its own.
@NullMarked
package io.xenemu.core.control;

import org.jspecify.annotations.NullMarked;
