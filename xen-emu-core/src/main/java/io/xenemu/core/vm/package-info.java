/// The border between a domain and the VM that runs it, in the terms of KVM and of its Xen support.
///
/// - [VmPort]: the calls that the service makes on a VM.
/// - [GuestView]: a mapping through which the guest sees memory; [LocalView] is one of this process.
/// - [VcpuPort]: the calls that it makes on a vCPU.
/// - [StillVm], [StillVcpu]: a VM in which nothing runs, for replays and training.
///
/// `machine.LocalVm` implements both on KVM, for a VM of this process. Domains, event delivery, timers and memory know
/// only these interfaces, so their tests need no `/dev/kvm`.
///
/// No locks.
@NullMarked
package io.xenemu.core.vm;

import org.jspecify.annotations.NullMarked;
