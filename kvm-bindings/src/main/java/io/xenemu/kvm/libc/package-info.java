/// The C library through `java.lang.foreign`. Not exported: nobody outside this module sees a handle, an errno or a
/// raw address.
///
<<<<<<< HEAD
/// [Libc], [FileCalls], [AtCalls], [SocketCalls], [StreamCalls], [ServerCalls] and [ThreadCalls] have one method for
/// each C function, with the prototype above its handle. [HostMemory] copies at raw addresses. [CallSlot] is a
/// thread's place for errno. [OwnedFd] is a descriptor with one owner, [Mapping] a shared mapping, [KickSignal] the
/// signal that makes a thread leave KVM_RUN.
=======
/// [Libc], [FileCalls], [AtCalls], [SocketCalls], [StreamCalls], [ThreadCalls] and [UringCalls] have one method for each
/// C function, with the prototype above its handle. [HostMemory] copies at raw addresses. [CallSlot] is a thread's place
/// for errno. [OwnedFd] is a descriptor with one owner, [Mapping] a shared mapping, [KickSignal] the signal that makes a
/// thread leave KVM_RUN.
>>>>>>> 81f623db (backend.block: io_uring for direct I/O and for slow flushes)
@NullMarked
package io.xenemu.kvm.libc;

import org.jspecify.annotations.NullMarked;
