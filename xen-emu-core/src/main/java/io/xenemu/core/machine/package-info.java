/// The machine around a domain: the builder on KVM, and the loop that serves its exits.
///
/// Start at [DomainBuilder], which makes a domain with its vCPUs, then [ExitLoop], which a vCPU's thread runs.
///
/// - Building: [DomainSource], [DomainBuilder], [BootVcpu]; the processor: [VcpuModel], [HostTsc].
/// - Saving and restoring: [KvmPart], [SavedDomain], [PreparedVm], [ImportedDomain]; the state itself is in
///   [io.xenemu.core.machine.state].
/// - The VM as the domain sees it: [LocalVm], [LocalVcpu].
/// - The VM of another process: [AttachedDomain] with [AttachedLeaves] and [AttachedPart]; [VmHome] maps its memory, in
///   this process or there ([AttachedHome]).
/// - Exits: [VcpuLoop], [ExitLoop], [ContinuedCall], [SyncedCpuState], [HypercallMsr], [ExitMetrics].
/// - A vCPU that halts or is gone: [HaltWatch], [LastExit], [TripleFault].
///
/// No locks: each belongs to one vCPU's thread, except [LocalVm], which any thread may call.
@NullMarked
package io.xenemu.core.machine;

import org.jspecify.annotations.NullMarked;
