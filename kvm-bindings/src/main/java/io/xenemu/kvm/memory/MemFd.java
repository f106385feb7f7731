package io.xenemu.kvm.memory;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.FileCalls;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.Mapping;
import io.xenemu.kvm.libc.OwnedFd;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/// Anonymous memory behind a file descriptor (memfd_create(2)): guest RAM, or the special pages that overlay it. Mapped
/// shared, so that KVM, this process and others see the same bytes.
///
/// Core dumps of the process do not contain it. The size is sealed: a process that is given the descriptor cannot
/// shrink it, which would turn our reads into SIGBUS.
public final class MemFd implements AutoCloseable {
    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;
    private static final int F_ADD_SEALS = 1033;
    private static final int F_GET_SEALS = 1034;
    private static final int F_SEAL_SEAL = 1;
    private static final int F_SEAL_SHRINK = 2;
    private static final int F_SEAL_GROW = 4;
    private static final int MADV_REMOVE = 9;
    private static final int MADV_HUGEPAGE = 14;
    private static final int SEEK_END = 2;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;

    private static final Path CORE_DUMP_FILTER = Path.of("/proc/self/coredump_filter");
    private static final int ANONYMOUS_SHARED = 1 << 1;

    /// The host's setting for shared memory without a name: Linux, Documentation/admin-guide/mm/transhuge.rst.
    private static final Path SHARED_HUGE_PAGES =
            Path.of("/sys/kernel/mm/transparent_hugepage/shmem_enabled");

    private static final String ON_DEMAND = "[advise]";

    static {
        keepOutOfCoreDumps();
    }

    private final String name;
    private final long size;
    private final OwnedFd fd;
    private final boolean asksForHugePages;
    private final Arena mappings = Arena.ofShared();

    private MemFd(String name, long size, OwnedFd fd, boolean asksForHugePages) {
        this.name = name;
        this.size = size;
        this.fd = fd;
        this.asksForHugePages = asksForHugePages;
    }

    /// Creates zeroed memory; pages are allocated when first touched.
    ///
    /// @param name shown in /proc/PID/maps, at most 249 bytes
    /// @param size bytes, a positive multiple of the page size
    /// @throws KvmException if the host refuses
    public static MemFd create(String name, long size) {
        return create(name, size, false);
    }

    /// Creates memory as [#create] does, for large amounts of which most will be used. It asks for huge pages if the
    /// host gives them to shared memory on demand. Under another setting of the host asking changes nothing.
    public static MemFd createLarge(String name, long size) {
        return create(name, size, hugePagesAreOnDemand());
    }

    /// Takes over memory that another process has sent.
    ///
    /// @param descriptor of it
    /// @param size that it must have
    /// @throws KvmException if it is no sealed memory of that size
    public static MemFd received(int descriptor, long size) {
        return received("received", descriptor, size, false);
    }

    /// Takes over memory of [#createLarge] that another process has sent.
    ///
    /// @param name for messages
    /// @throws KvmException as [#received]
    public static MemFd receivedLarge(String name, int descriptor, long size) {
        return received(name, descriptor, size, hugePagesAreOnDemand());
    }

    private static MemFd received(
            String name, int descriptor, long size, boolean asksForHugePages) {
        OwnedFd fd = OwnedFd.of("recvmsg", descriptor, "");
        boolean done = false;
        try {
            int seals = Libc.fcntl(descriptor, F_GET_SEALS, 0);
            if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
                throw new KvmException("fcntl", Errno.EINVAL, "not sealed memory");
            }
            if (FileCalls.lseek(descriptor, 0, SEEK_END) != size) {
                throw new KvmException("lseek", Errno.EINVAL, "memory of another size");
            }
            done = true;
            return new MemFd(name, size, fd, asksForHugePages);
        } finally {
            if (!done) {
                fd.close();
            }
        }
    }

    static MemFd create(String name, long size, boolean asksForHugePages) {
        requirePages("size", size);
        if (size == 0) {
            throw new IllegalArgumentException("memfd of size 0: " + name);
        }
        OwnedFd fd =
                OwnedFd.of(
                        "memfd_create",
                        Libc.memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING),
                        name);
        try {
            require("ftruncate", Libc.ftruncate(fd.number(), size), name);
            require(
                    "fcntl",
                    Libc.fcntl(fd.number(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW),
                    name);
        } catch (KvmException e) {
            fd.close();
            throw e;
        }
        return new MemFd(name, size, fd, asksForHugePages);
    }

    private static boolean hugePagesAreOnDemand() {
        try {
            return Files.readString(SHARED_HUGE_PAGES).contains(ON_DEMAND);
        } catch (IOException e) {
            // A kernel without huge pages has no such file, a container may have no /sys.
            return false;
        }
    }

    /// Keeps guest memory out of core dumps of the service: see core(5). MADV_DONTDUMP is not used:
    /// pages placed by [#mapFixed] would lack the flag, so that the kernel would keep them as separate mappings
    /// forever.
    private static void keepOutOfCoreDumps() {
        try {
            int filter = Integer.parseInt(Files.readString(CORE_DUMP_FILTER).strip(), 16);
            Files.writeString(
                    CORE_DUMP_FILTER, "0x" + Integer.toHexString(filter & ~ANONYMOUS_SHARED));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Maps a range, readable and writable, until [#close].
    ///
    /// @param offset bytes, a multiple of the page size
    /// @param length bytes, a positive multiple of the page size
    public MemorySegment map(long offset, long length) {
        return map(mappings, offset, length, false);
    }

    /// Maps a range until an arena is closed, even if this object is closed before.
    ///
    /// @param offset bytes, a multiple of the page size
    /// @param length bytes, a positive multiple of the page size
    /// @param readOnly whether writes fail, also those of a guest that has the mapping in a slot
    public MemorySegment map(Arena arena, long offset, long length, boolean readOnly) {
        requireRange(offset, length);
        MemorySegment mapping = Mapping.map(arena, fd.number(), offset, length, readOnly, name);
        askForHugePages(mapping);
        return mapping;
    }

    /// Replaces other pages by pages of this memory, with MAP_FIXED. A KVM memory slot over the place shows the new
    /// pages at once, without telling KVM (KVM_CAP_SYNC_MMU). [#mapBack] of the old pages undoes it.
    ///
    /// `over` keeps the lifetime of its own mapping; these pages stay visible there even after this object is closed.
    ///
    /// @param offset of the first page in this memory, a multiple of the page size
    /// @param over pages inside a mapping that [#map] of this or of another object returned
    public void mapFixed(long offset, MemorySegment over) {
        mapFixed(offset, over, false);
    }

    /// Replaces other pages by pages of this memory, where this process does not write.
    /// [#mapFixed(long, MemorySegment)] has the other parameters.
    ///
    /// @param readOnly whether a guest that has the place in a slot must not write to it: KVM_RUN then fails with
    ///     EFAULT. A write by this process, which `over` does not forbid, kills the process
    public void mapFixed(long offset, MemorySegment over, boolean readOnly) {
        requireRange(offset, over.byteSize());
        requirePages("address", over.address());
        if (!over.isNative() || !over.scope().isAlive()) {
            throw new IllegalArgumentException("not a live mapping: " + over);
        }
        Mapping.mapFixed(over, fd.number(), offset, readOnly, name);
    }

    /// Shows pages of this memory again in a mapping of it, where others were shown by [#mapFixed]. The kernel joins
    /// them to the mapping around them, so that a place costs nothing when it is free again.
    ///
    /// @param offset of the first page in this memory, a multiple of the page size
    /// @param over pages inside a mapping that [#map] of this object returned
    /// @param readOnly whether that mapping is
    public void mapBack(long offset, MemorySegment over, boolean readOnly) {
        mapFixed(offset, over, readOnly);
        // The kernel joins only mappings with the same advice.
        askForHugePages(over);
    }

    private void askForHugePages(MemorySegment pages) {
        if (asksForHugePages) {
            require(
                    "madvise",
                    Libc.madvise(pages.address(), pages.byteSize(), MADV_HUGEPAGE),
                    name);
        }
    }

    /// Gives whole pages back to the host; they read as zero from now on.
    ///
    /// @param pages page-aligned, inside a mapping of this object
    public void discard(MemorySegment pages) {
        requirePages("address", pages.address());
        requirePages("length", pages.byteSize());
        require("madvise", Libc.madvise(pages.address(), pages.byteSize(), MADV_REMOVE), name);
    }

    /// Opens it to be read like a file. Unlike a look at a mapping, this gives untouched pages no memory.
    public FileChannel reader() throws IOException {
        return FileChannel.open(
                Path.of("/proc/self/fd", Integer.toString(fd.number())), StandardOpenOption.READ);
    }

    /// Opens it to be written like a file, which cannot become longer.
    public FileChannel writer() throws IOException {
        return FileChannel.open(
                Path.of("/proc/self/fd", Integer.toString(fd.number())), StandardOpenOption.WRITE);
    }

    /// Whether its mappings ask for huge pages.
    public boolean asksForHugePages() {
        return asksForHugePages;
    }

    /// The first offset from `from` on at which there may be other bytes than zeros, and memory of the host.
    ///
    /// @param from at most the size
    /// @return the size if there is none
    public long nextData(long from) {
        return seek(from, SEEK_DATA);
    }

    /// The first offset from `from` on that has no memory, and so reads as zero.
    ///
    /// @param from at most the size
    /// @return the size if there is none
    public long nextHole(long from) {
        return seek(from, SEEK_HOLE);
    }

    private long seek(long from, int whence) {
        Objects.checkFromToIndex(from, size, size);
        if (from == size) {
            return size;
        }
        long found = FileCalls.lseek(fd.number(), from, whence);
        if (found == -Errno.ENXIO) {
            return size;
        }
        if (found < 0) {
            throw new KvmException("lseek", Math.toIntExact(-found), name);
        }
        return found;
    }

    /// Size in bytes.
    public long size() {
        return size;
    }

    /// The descriptor's number, to send to another process. This object keeps the ownership.
    public int fd() {
        return fd.number();
    }

    /// Unmaps the results of [#map] and closes the descriptor. Later access to such a segment throws
    /// IllegalStateException; delete a KVM slot over it first.
    @Override
    public void close() {
        if (mappings.scope().isAlive()) {
            mappings.close();
        }
        fd.close();
    }

    private void requireRange(long offset, long length) {
        requirePages("offset", offset);
        requirePages("length", length);
        if (length == 0 || offset > size - length) {
            throw new IndexOutOfBoundsException(
                    "%s: offset %#x length %#x of %#x".formatted(name, offset, length, size));
        }
    }

    private static void requirePages(String what, long value) {
        if (value < 0 || value % Mapping.PAGE_SIZE != 0) {
            throw new IllegalArgumentException(
                    "%s is not a multiple of the page size: %#x".formatted(what, value));
        }
    }

    private static void require(String call, int result, String name) {
        if (result < 0) {
            throw new KvmException(call, -result, name);
        }
    }
}
