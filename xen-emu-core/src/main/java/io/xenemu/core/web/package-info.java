/// The page of a service, `xen-emu web`: a process of its own that asks the service by its control socket.
///
/// Start at [WebServer] and [RequestGuard].
///
/// Families of files:
///
/// - The server: [WebServer], [WebSettings], [WebLimits], [WebRequest], [WebRefused], [PageFiles].
/// - Who may do what: [RequestGuard], [AccessTokens], [Sessions], [Role].
/// - What the page shows: [Collector], which asks [Watched] ([ControlledService]) and [HostView]; [Snapshot],
///   [ChangeStream]; [Details] of one domain.
/// - What it does: [Actions], [ActionLog].
///
/// Locks: those of [Collector], [Sessions] and [ActionLog], leaves; that of [Details] is held while the service is
/// asked.
@NullMarked
package io.xenemu.core.web;

import org.jspecify.annotations.NullMarked;
