/// The border between a domain and the VM that runs it: interfaces only, in the terms of KVM and of its Xen support.
///
/// - [VmPort]: what the service asks of a VM.
/// - [VcpuPort]: what it asks of a vCPU.
///
/// `machine.LocalVm` implements both on KVM, for a VM of this process. Domains, event delivery, timers and memory know
/// only these interfaces, so their tests need no `/dev/kvm`.
///
/// No locks.
@NullMarked
package io.xenemu.core.vm;

import org.jspecify.annotations.NullMarked;
