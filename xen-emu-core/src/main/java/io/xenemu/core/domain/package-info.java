/// One guest: its identity, parameters, vCPU threads, and the wiring of the modules to KVM.
///
/// Start at [Domain]. `DomainBuilder` makes one, and a vCPU's thread runs `ExitLoop`. Then read [KvmKernelPorts].
///
/// Families of files:
///
/// - The domain: [Domain], [DomainEnd], [DomainPages], [SharedInfo], [WallClock], [DomainConfig], [EventChannelConfig],
///   [DomainEnvironment], [HvmParams], [NamedPages], [ReportedMemoryMap], [ShutdownReason], [ShutdownLatch],
///   [DomainObserver], [ObservedGrants].
/// - vCPUs: [Vcpu], [VcpuPower], [VcpuStart], [VcpuRegisters], [VcpuThread], [VcpuMailbox], [VcpuAreas], [WrittenArea],
///   [EventPoll], [ThreadActivity], [VcpuAffinity], [RunstateAccount].
/// - vCPUs that stand still: [Quiescence], [PauseCount], [Suspension], [SoftReset], [VcpuGate], [StuckException].
/// - Parts, which stand still, are saved and end: [Part], [Parts], [OwnPart], [DomainParts], [TimersPart], [PartState],
///   [SaveScope], [BlockedException].
/// - Saved state: [XenState], [SavedFrames], [DomainStateCodec], [DomainConfigCodec], [DomainOrigin], [DomainRestore],
///   [DomainTies], [ResumedDomain], [HeldState].
/// - Events: [EventDelivery] makes a vCPU notice, [KvmKernelPorts] keeps the kernel's table, [InterruptLines] and
///   [MessageInterrupts] are devices' lines and messages, [RemoteLines] and [RemoteLine] lines of other processes.
///
/// Locks:
///
/// - `change` of [SharedInfo] guards the place and layout of shared_info, above the event channels' locks.
///   `stopping` of [DomainEnd] guards the reason for which a domain stopped.
/// - The monitor of [Quiescence] is above that of [VcpuGate]; a thread that waits until vCPUs are parked holds neither.
/// - The monitors of [MessageInterrupts], [RemoteLines], [RemoteLine] and `GsiRoutes` are taken below the event
///   channels' locks. Those of [EventDelivery] and `CallbackLine` guard the callback, and are taken with none of these
///   held.
/// - The monitor of [VcpuMailbox] is a leaf. A thread that waits for a vCPU holds none of these locks.
@NullMarked
package io.xenemu.core.domain;

import org.jspecify.annotations.NullMarked;
