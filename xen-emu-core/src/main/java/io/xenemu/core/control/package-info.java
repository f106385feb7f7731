/// The control protocol, and what an operator may ask.
///
/// Start at [ControlSocket] and [OperatorCommands].
///
/// Families of files:
///
/// - The service's side: [ControlSocket], [ControlReply], [ControlWords], [SocketDeadline], [ClientWatch].
/// - The client's side: [ControlClient], [ControlConnection].
/// - Requests: [DaemonCommands], [OperatorCommands], [DeviceCommands], [DebugKeys], [DomainRow], [GuestWords],
///   [ConsoleSession].
///
/// No locks of its own.
@NullMarked
package io.xenemu.core.control;

import org.jspecify.annotations.NullMarked;
