package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.Mapping;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Guards memory whose pages come later, by [UserFaultFd]. A thread of this process that wants to use such memory waits
/// here first, so that only this thread waits. Without it, the JVM would stand still: a Java thread at a missing page
/// keeps all others from a safepoint.
///
/// A page that is there stays there. Any thread may use this. It allocates nothing.
public final class MissingPages {
    private final PresentPages present;
    private final long[] starts;
    private final long[] ends;
    private final long[] firsts;
    private volatile @Nullable String lost;

    /// A mapping of the memory.
    ///
    /// @param start its address
    /// @param end the address after it
    /// @param first the number of its first page
    public record Mapped(long start, long end, long first) {}

    /// @param mappings those that are used through this object
    /// @param present the pages that have come
    public MissingPages(List<Mapped> mappings, PresentPages present) {
        this.present = present;
        starts = mappings.stream().mapToLong(Mapped::start).toArray();
        ends = mappings.stream().mapToLong(Mapped::end).toArray();
        firsts = mappings.stream().mapToLong(Mapped::first).toArray();
    }

    /// Waits until the pages of a range are there.
    ///
    /// @param address in a writable mapping, which may be of other memory
    /// @param length bytes; 0 for none
    /// @throws KvmException if they are lost
    public void await(long address, long length) {
        if (length > 0 && !isPresent(address, length)) {
            UserFaultFd.populate(address, length);
        }
        // Waiting threads were released by pages of zeros, which nobody must use.
        String reason = lost;
        if (reason != null) {
            throw new KvmException("userfaultfd", Errno.EIO, reason);
        }
    }

    private boolean isPresent(long address, long length) {
        for (int i = 0; i < starts.length; i++) {
            if (address >= starts[i] && length <= ends[i] - address) {
                long offset = address - starts[i];
                return present.hasAll(
                        firsts[i] + offset / Mapping.PAGE_SIZE,
                        firsts[i] + (offset + length - 1) / Mapping.PAGE_SIZE + 1);
            }
        }
        return false;
    }

    /// The pages that are missing will not come. Called before waiting threads are released.
    ///
    /// @param reason for an operator
    public void lose(String reason) {
        lost = reason;
    }
}
