/// The C library through `java.lang.foreign`. Not exported: nobody outside this module sees a handle, an errno or a
/// raw address.
///
/// [Libc], [FileCalls], [AtCalls], [SocketCalls], [StreamCalls], [ServerCalls], [ThreadCalls], [UringCalls],
/// [FaultCalls] and [FutexCalls] have one method for each C function, with the prototype above its handle.
/// [HostMemory] copies at raw addresses. [CallSlot] is a thread's place for errno. [OwnedFd] is a descriptor with one
/// owner, [Mapping] a shared mapping, [KickSignal] the signal that makes a thread leave KVM_RUN.
@NullMarked
package io.xenemu.kvm.libc;

import org.jspecify.annotations.NullMarked;
