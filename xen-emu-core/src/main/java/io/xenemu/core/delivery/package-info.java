/// Ways of an event to a vCPU, and eventfds between the kernel and the service.
///
/// - The callback that a guest asks for: [CallbackVia], [CallbackLine].
/// - Interrupt routes of a VM: [GsiRoutes]; through them [EventIrqfd] and [EventDoorbells].
/// - Threads for eventfds: [EventFdThreads], [EventFdThread], [EventRate], [WorkGate]; of a device's own:
///   [EventFdListener]; without a thread: [InlineListener].
///
/// Locks: the monitor of [GsiRoutes] is taken below the event channels' locks; that of [CallbackLine] with none of
/// these held.
@NullMarked
package io.xenemu.core.delivery;

import org.jspecify.annotations.NullMarked;
