/// VMMs that are attached: the protocol by which another process, which has made a VM, has it served as a domain.
/// `src/main/native/xen_attach_wire.h` describes it for authors of VMMs.
///
/// - The connection: [AttachConnection], [AttachMessage]; its structures [AttachLayouts], compared with the header by a
///   test.
/// - The VM: [AttachedVm], whose descriptors give ioctls to the VMM ([RemoteCall]).
/// - A vCPU: [AttachedVcpu], handed over by a [VcpuExchange] in shared memory.
///
/// A vCPU's exchange belongs to the one whose turn it is. Any thread sends on the connection; one receives.
@NullMarked
package io.xenemu.kvm.attach;

import org.jspecify.annotations.NullMarked;
