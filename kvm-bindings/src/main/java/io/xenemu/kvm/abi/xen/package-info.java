/// The layouts of Xen's public structures: one class for each C structure, named after it, in one file for each
/// header family.
///
/// Structures that a guest passes by address are read through [io.xenemu.kvm.memory.GuestArgument]. Structures in
/// shared pages give offsets. A test compares all of them with what a C compiler makes of Xen's headers.
///
/// Families of files:
///
/// - Arguments of hypercalls: [EvtchnStructs], [GnttabStructs], [HvmStructs], [MemoryStructs], [MulticallStructs],
///   [PhysdevStructs], [SchedStructs], [ToolStructs], [VcpuStructs], [VersionStructs].
/// - Shared pages: [SharedInfoStructs], [RingStructs], [NetifStructs]. At a PVH guest's entry: [StartInfoStructs].
@NullMarked
package io.xenemu.kvm.abi.xen;

import org.jspecify.annotations.NullMarked;
