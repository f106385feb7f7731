/// Timers of vCPUs, and the thread that runs those that KVM cannot.
///
/// - One vCPU's timers: [VcpuTimer], of which [OneShotTimer] and [PeriodicTimer] are parts.
/// - The thread of a domain: [DomainTimers].
/// - Saved state: [VcpuTimersCodec].
///
/// Locks: the monitor of [DomainTimers] is a leaf.
@NullMarked
package io.xenemu.core.timer;

import org.jspecify.annotations.NullMarked;
