/// KVM's half of a saved domain: registers, interrupt chips, time. Start at [KvmState].
///
/// - What is saved: [KvmState] with [VmState], [GuestTime] and [VcpuState]; [KernelBytes] is a structure of KVM's.
/// - Which model-specific registers: [SavedMsrs].
/// - A restored guest's clock: [ClockPolicy].
/// - As a frame: [KvmStateCodec]. A host that refuses it: [KvmStateException].
///
/// No locks. The vCPUs are out of the guest, and one thread captures or applies.
@NullMarked
package io.xenemu.core.machine.state;

import org.jspecify.annotations.NullMarked;
