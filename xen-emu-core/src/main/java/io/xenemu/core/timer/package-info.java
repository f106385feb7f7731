/// Timers of vCPUs, watchdogs, and the thread that runs those that KVM cannot.
///
/// - One vCPU's timers: [VcpuTimer], of which [OneShotTimer] and [PeriodicTimer] are parts.
/// - A domain's watchdogs: [Watchdogs].
/// - The thread of a domain: [DomainTimers].
/// - Saved state: [VcpuTimersCodec].
///
/// Locks: the monitor of [DomainTimers] is a leaf. That of [Watchdogs] comes before it.
@NullMarked
package io.xenemu.core.timer;

import org.jspecify.annotations.NullMarked;
