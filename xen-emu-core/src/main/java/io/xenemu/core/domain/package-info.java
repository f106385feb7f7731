/// One guest: its VM, memory, vCPU threads and parameters, and the wiring of the modules to KVM.
///
/// Start at `DomainBuilder`, which makes a [Domain], and `ExitLoop`, which a vCPU's thread runs. Then read
/// `DomainMemory` and [KvmKernelPorts].
///
/// Families of files:
///
/// - The domain: [Domain], `DomainBuilder`, [DomainConfig], [EventChannelConfig], [DomainEnvironment], [HvmParams],
///   [ShutdownReason], [ShutdownLatch], `Teardown`.
/// - vCPUs: [Vcpu], [VcpuThread], [VcpuMailbox], `ExitLoop`, `SyncedCpuState`, `HypercallMsr`, [VcpuAreas],
///   `BootVcpu`, [EventPoll].
/// - What is known of a vCPU that halts or is gone: `HaltWatch`, `LastExit`, `TripleFault`, [ThreadActivity].
/// - Timers: `VcpuTimer`, `OneShotTimer`, `PeriodicTimer`, `DomainTimers`, `VcpuTimersCodec`.
/// - From an event to a vCPU: [EventDelivery], `CallbackVia`, `CallbackLine`.
/// - The kernel's side of event channels: [KvmKernelPorts], `GsiRoutes`, `EventIrqfd`, `EventDoorbells`,
///   [MessageInterrupts].
/// - Threads for eventfds: `EventFdThreads`, `EventFdThread`, `EventRate`; without a thread: `InlineListener`.
/// - Memory: `DomainMemory`, `PhysicalRanges`, `PhysicalRange`, `SpecialPages`, `HolePages`, `Reservation`.
/// - Pages as other domains use them: `DomainFrames`, `MachineFrames`, `DomainPhysmap`, `ContiguousViews`,
///   `DeadMemory`.
/// - What domains take from one host: `HostResources`, `HostLimits`, `ControlGroups`, `HostBudget`,
///   `DomainResources`.
///
/// Locks:
///
/// - `sharedInfoChange` of [Domain] guards the place and layout of shared_info, above the event channels' locks.
///   `stopping` guards the reason for which it stopped, `pauseChange` the number of pauses.
/// - The monitor of `DomainMemory` guards what the guest sees at which frame. The grant table is asked below it
///   whether a page is in use.
/// - The monitors of `GsiRoutes` and [MessageInterrupts] are taken below the event channels' locks. Those of
///   [EventDelivery] and `CallbackLine` guard the callback, and are taken with none of these held.
/// - The monitors of [VcpuMailbox], `DomainTimers` and `HostBudget` are leaves. Whoever waits for a vCPU holds none
///   of these locks.
@NullMarked
package io.xenemu.core.domain;

import org.jspecify.annotations.NullMarked;
