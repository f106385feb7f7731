package io.xenemu.kvm.ioctl;

import java.lang.foreign.MemorySegment;

/// A descriptor of KVM: that of `/dev/kvm`, a VM or a vCPU. KVM takes the ioctls of a VM and its vCPUs only from the
/// process that made the VM. So they go to the kernel from here, or to another process that carries them out.
///
/// Results and failures are those of ioctl(2): a failure is the negated errno.
public interface KvmDescriptor extends AutoCloseable {
    /// Issues a request with a number as its argument. Does not allocate.
    ///
    /// @param request of [KvmIoctl]
    int ioctl(long request, long argument);

    /// Issues a request with a structure as its argument, or a null pointer for [MemorySegment#NULL]. The structure has
    /// neither addresses nor descriptors. Does not allocate.
    ///
    /// @param argument the whole structure, with the entries that follow it
    int ioctl(long request, MemorySegment argument);

    /// Issues a request with a structure that names memory or descriptors of this process.
    int ioctl(long request, MemorySegment argument, Link... links);

    @Override
    void close();

    /// A member of a structure that means something only in this process.
    sealed interface Link {
        /// Offset of the member in the structure, in bytes.
        long at();

        /// An address. It is put into the member.
        ///
        /// @param memory what is there: KVM reads or writes it; [MemorySegment#NULL] for a null pointer
        record Address(long at, MemorySegment memory) implements Link {}

        /// A descriptor of 32 bits, which is in the member.
        record Descriptor(long at) implements Link {}
    }
}
