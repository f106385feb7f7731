package io.xenemu.core.backend.block;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.backend.BackendDevice;
import io.xenemu.core.migration.BlockLog;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.IoVectors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/// A disk whose content goes with its guest to another host. It is read beside its guest's requests, by the thread that
/// sends it.
final class OutgoingDisk implements BackendDevice.DiskCopy {
    /// The longest time for a read. The host has its memory until it ends.
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private final ClaimedStore store;
    private final long bytes;
    private final BlockLog log;
    private final Arena arena = Arena.ofShared();
    private final DiskTransfer transfer;

    /// What was read, until the caller has it: its own memory may go while the host still reads.
    private MemorySegment memory = MemorySegment.NULL;

    @GuardedBy("this")
    private boolean running;

    @GuardedBy("this")
    private int errno;

    /// Begins to note what the guest writes.
    ///
    /// @param store is open, and stays so
    OutgoingDisk(ClaimedStore store) {
        this.store = store;
        bytes = store.bytes();
        log = new BlockLog(bytes);
        transfer = new DiskTransfer(new IoVectors(arena, 1), (_, result) -> ended(result));
        store.writes().note(log);
    }

    private synchronized void ended(int result) {
        running = false;
        errno = result;
        notifyAll();
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public BlockLog written() {
        return log;
    }

    @Override
    public long nextData(long from) throws IOException {
        try {
            return store.nextData(from);
        } catch (KvmException e) {
            throw new IOException("a disk of the guest cannot be read: " + e.getMessage(), e);
        }
    }

    @Override
    public void read(long from, MemorySegment into) throws IOException, InterruptedException {
        long count = into.byteSize();
        if (memory.byteSize() < count) {
            memory = arena.allocate(count, BlockLog.BLOCK);
        }
        transfer.memory().clear();
        transfer.memory().add(memory.address(), count);
        transfer.set(DiskOp.READ, from, count);
        synchronized (this) {
            running = true;
        }
        store.submit(transfer);
        int result = await();
        if (result != 0) {
            throw new IOException("a disk of the guest cannot be read: " + Errno.name(result));
        }
        into.copyFrom(memory.asSlice(0, count));
    }

    private synchronized int await() throws IOException, InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (running) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                throw new IOException(
                        "a disk of the guest is not read within %d s".formatted(LIMIT.toSeconds()));
            }
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        return errno;
    }

    private synchronized boolean isRunning() {
        return running;
    }

    @Override
    public void close() {
        store.writes().forget();
        // Otherwise the host still has the memory.
        if (!isRunning() && arena.scope().isAlive()) {
            arena.close();
        }
    }
}
