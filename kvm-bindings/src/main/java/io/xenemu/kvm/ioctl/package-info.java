/// KVM: one type for each file descriptor, one structure for each declaration of linux/kvm.h. Exported to core
/// alone.
///
/// Start at [KvmSystem] (`/dev/kvm`), then [KvmVm] and [KvmVcpu]. [KvmRun] is the page that a vCPU shares with the
/// kernel. [KvmIoctl] has the request numbers, computed from the structures, and turns failures into exceptions.
///
/// Families of files:
///
/// - A VM: [KvmVm], [KvmEvents] (interrupt lines, irqfds, ioeventfds), [XenHvmAttributes]; its values [ClockData],
///   [GsiRoute], [IoEvent], [IrqchipId].
/// - A vCPU: [KvmVcpu], [XenVcpuAttributes]; its values [KvmRegs], [KvmSregs], [Gpr], [Segment],
///   [DescriptorTable], [MsrEntry], [MpState], [CpuidEntry], [Translation], [Runstate], [XenTimer].
/// - Exits: [KvmRun], [ExitReason], [SyncRegs].
/// - Descriptors, through which every ioctl goes: [KvmDescriptor], [VcpuDescriptor]; those of this process are
///   [LocalDescriptor], [LocalVcpuDescriptor].
/// - What the host's KVM can do: [KvmCapability], [XenCapability].
/// - C structures: [CStruct], [CTypes], [RunStructs], [VcpuStructs], [VmStructs], [XenStructs]. A test compares
///   sizes, offsets and request numbers with a compiled C probe.
///
/// No locks. One thread runs a vCPU; an ioctl on its descriptor from another thread waits until the vCPU is out of
/// KVM_RUN. Any thread may call those of a VM.
@NullMarked
package io.xenemu.kvm.ioctl;

import org.jspecify.annotations.NullMarked;
