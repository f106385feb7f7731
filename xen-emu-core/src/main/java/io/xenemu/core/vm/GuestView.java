package io.xenemu.core.vm;

import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// A mapping through which a guest sees memory. It is in the process that has made the VM, and pages of other memories
/// can be shown in it. KVM notices that by itself. Not thread-safe.
public interface GuestView {
    /// Its length, in bytes.
    long bytes();

    /// Shows pages that follow one another in a memory.
    ///
    /// @param at the place in this mapping, in bytes
    /// @param bytes whole pages
    /// @param offset of the first page in `memory`
    /// @param readOnly whether a write by the guest has to fail: KVM_RUN returns EFAULT
    void show(long at, long bytes, MemFd memory, long offset, boolean readOnly);

    /// Shows pages of the memory that this is a mapping of, where others were shown.
    ///
    /// @param readOnly whether this mapping is
    void showAgain(long at, long bytes, MemFd memory, long offset, boolean readOnly);

    /// The mapping, if it is in this process.
    Optional<MemorySegment> here();
}
