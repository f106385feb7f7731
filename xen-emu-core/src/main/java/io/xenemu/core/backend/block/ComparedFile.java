package io.xenemu.core.backend.block;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.migration.BlockLog;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.FileStatus;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.Set;

/// A disk that is only read, and is on this host already, such as a CD-ROM that several guests have. What comes is
/// compared with it, and nothing is written.
final class ComparedFile implements BackendKind.IncomingDisk {
    private static final int BLOCK = BlockLog.BLOCK;

    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[BLOCK]);

    private final Path path;
    private final long bytes;
    private final HostFile file;

    /// The blocks that have come: the others have to be zeros.
    private final BitSet came = new BitSet();

    private boolean isWhole;

    private ComparedFile(Path path, long bytes, HostFile file) {
        this.path = path;
        this.bytes = bytes;
        this.file = file;
    }

    /// Whether a file of this size is there.
    static boolean isThere(Path path, long bytes) {
        try (HostFile there = HostFile.open(path, Set.of())) {
            FileStatus status = there.status();
            return status.kind() == FileStatus.Kind.REGULAR && status.bytes() == bytes;
        } catch (KvmException e) {
            // It cannot be used, and then it is told that a file is there.
            return false;
        }
    }

    /// Opens it, and keeps others from writing to it.
    static ComparedFile open(Path path, long bytes) throws Refused {
        try {
            HostFile file = HostFile.open(path, Set.of());
            if (file.lock(false) < 0) {
                file.close();
                throw new Refused(path + " is in use here: another writes");
            }
            return new ComparedFile(path, bytes, file);
        } catch (KvmException e) {
            throw new Refused(path + ": " + e.getMessage());
        }
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public void write(long at, MemorySegment part) throws IOException {
        note(at, part.byteSize());
        try (Arena arena = Arena.ofConfined()) {
            if (part.mismatch(read(arena, at, part.byteSize())) >= 0) {
                throw differs();
            }
        }
    }

    @Override
    public void zero(long at, long count) throws IOException {
        note(at, count);
        requireZeros(at, count);
    }

    private synchronized void note(long at, long count) {
        came.set((int) (at / BLOCK), (int) Math.ceilDiv(at + count, BLOCK));
    }

    private MemorySegment read(Arena arena, long at, long count) throws IOException {
        MemorySegment memory = arena.allocate(count);
        IoVectors vectors = new IoVectors(arena, 1);
        vectors.add(memory.address(), count);
        int errno = file.readAll(vectors, at);
        if (errno != 0) {
            throw new IOException(path + ": " + Errno.name(errno));
        }
        return memory;
    }

    private void requireZeros(long from, long count) throws IOException {
        long end = from + count;
        for (long at = from; at < end; at += BLOCK) {
            long part = Math.min(BLOCK, end - at);
            try (Arena arena = Arena.ofConfined()) {
                if (ZEROS.asSlice(0, part).mismatch(read(arena, at, part)) >= 0) {
                    throw differs();
                }
            }
        }
    }

    private IOException differs() {
        return new IOException(path + " is there already, and differs from the guest's disk");
    }

    /// After the first round: what has not come is zero at the source.
    @Override
    public synchronized void sync() throws IOException {
        if (isWhole) {
            return;
        }
        try {
            int blocks = Math.toIntExact(Math.ceilDiv(bytes, BLOCK));
            for (int block = came.nextClearBit(0); block < blocks; ) {
                long at = (long) block * BLOCK;
                long data = file.nextData(at) / BLOCK * BLOCK;
                if (data > at) {
                    block = (int) Math.min(blocks, data / BLOCK);
                } else {
                    requireZeros(at, Math.min(BLOCK, bytes - at));
                    block++;
                }
                block = came.nextClearBit(block);
            }
        } catch (KvmException e) {
            throw new IOException(path + ": " + e.getMessage(), e);
        }
        isWhole = true;
    }

    @Override
    public void complete() {}

    @Override
    public void keep() {}

    @Override
    public void close() {
        file.close();
    }
}
