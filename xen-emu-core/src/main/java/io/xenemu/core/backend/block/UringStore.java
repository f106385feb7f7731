package io.xenemu.core.backend.block;

import com.google.common.primitives.ImmutableIntArray;
import com.google.common.util.concurrent.Uninterruptibles;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.file.IoUring;
import io.xenemu.kvm.file.IoVectors;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A raw image or a block device whose operations end later, by io_uring: many are in progress at once, and none holds
/// the engine that submits it. A thread for each disk, started when it is first needed, takes what has ended.
///
/// An operation that the kernel does not take, as when [#SLOTS] are in progress, is done on the submitting thread.
/// Nothing allocates but the constructor.
final class UringStore implements HandedOverStore {
    /// Operations in progress at once: those of four queues.
    private static final int SLOTS = 256;

    /// The key of no operation, which ends the thread.
    private static final long END = SLOTS;

    /// Attempts to end the thread while the kernel has no memory for that, and the time between them.
    private static final int ATTEMPTS = 1000;

    private static final long PAUSE_NANOS = 1_000_000;

    private static final Logger log = LoggerFactory.getLogger(UringStore.class);

    /// Which operations end later.
    enum Mode {
        /// Reads and writes too.
        ALL,
        /// Flushes and discards, while they are slow: reads and writes of the page cache are done at once.
        SLOW
    }

    private final FileStore files;
    private final Mode mode;
    private final SlowCalls slow = new SlowCalls();
    private final IoUring ring;
    private final AtomicReferenceArray<@Nullable DiskTransfer> inProgress =
            new AtomicReferenceArray<>(SLOTS);
    private final Thread thread;
    private final Object lock = new Object();

    @GuardedBy("lock")
    private int cursor;

    @GuardedBy("lock")
    private boolean started;

    @GuardedBy("lock")
    private boolean closed;

    @Override
    public Optional<String> stays() {
        return files.stays();
    }

    @Override
    public ImmutableIntArray descriptors() {
        return files.descriptors();
    }

    @Override
    public void handedOver() {
        files.handedOver();
    }

    /// @param files belongs to the store if this succeeds
    /// @throws io.xenemu.kvm.abi.KvmException if the kernel has no io_uring for this process
    UringStore(FileStore files, Mode mode) {
        this.files = files;
        this.mode = mode;
        this.ring = new IoUring(SLOTS);
        this.thread = Thread.ofPlatform().daemon().name("vbd-uring").unstarted(this::run);
    }

    @Override
    public void belongsTo(PvDevice device) {
        thread.setName("dom%d-vbd-%d-uring".formatted(device.frontend().value(), device.id()));
        files.belongsTo(device);
    }

    @Override
    public DiskFeatures features() {
        return files.features();
    }

    @Override
    public long bytes() {
        return files.bytes();
    }

    @Override
    public void resize() {
        files.resize();
    }

    @Override
    public boolean isFasterJoined() {
        return files.isFasterJoined();
    }

    @Override
    public boolean keepsWrites() {
        return files.keepsWrites();
    }

    @Override
    public long nextData(long from) {
        return files.nextData(from);
    }

    @Override
    public void submit(DiskTransfer transfer) {
        if (mode == Mode.ALL) {
            begin(transfer);
        } else if (transfer.op().hasData()) {
            files.submit(transfer);
        } else if (slow.isNextLater()) {
            begin(transfer);
        } else {
            long begun = System.nanoTime();
            int errno = files.carryOut(transfer);
            slow.took(System.nanoTime() - begun);
            transfer.complete(errno);
        }
    }

    private void begin(DiskTransfer transfer) {
        boolean taken;
        synchronized (lock) {
            int slot = freeSlot();
            taken = slot >= 0 && begin(transfer, slot);
        }
        if (!taken) {
            transfer.complete(files.carryOut(transfer));
        }
    }

    /// A slot without an operation, or -1.
    @GuardedBy("lock")
    private int freeSlot() {
        for (int i = 0; i < SLOTS; i++) {
            int slot = (cursor + i) & (SLOTS - 1);
            if (inProgress.getAcquire(slot) == null) {
                cursor = slot + 1;
                return slot;
            }
        }
        return -1;
    }

    /// @return whether the kernel has taken it; else the slot is free
    @GuardedBy("lock")
    private boolean begin(DiskTransfer transfer, int slot) {
        if (!started) {
            started = true;
            thread.start();
        }
        // Before the kernel can end it.
        inProgress.set(slot, transfer);
        boolean taken = ask(transfer, slot) == 0;
        if (!taken) {
            inProgress.setRelease(slot, null);
        }
        return taken;
    }

    @GuardedBy("lock")
    private int ask(DiskTransfer transfer, int slot) {
        IoVectors memory = transfer.memory();
        long offset = transfer.offset();
        long next = transfer.nextOffset();
        HostFile file = transfer.op().hasData() ? files.way(memory, next) : files.file();
        return switch (transfer.op()) {
            case READ -> ring.read(file, memory, next, slot);
            case WRITE -> ring.write(file, memory, next, slot);
            case FLUSH -> ring.sync(file, slot);
            case DISCARD -> ring.punchHole(file, offset, transfer.bytes(), slot);
            case WRITE_ZEROES -> ring.zeroRange(file, offset, transfer.bytes(), slot);
        };
    }

    /// Takes what has ended, until the store is closed.
    private void run() {
        while (true) {
            ring.await();
            while (ring.next()) {
                if (ring.key() == END) {
                    return;
                }
                ended((int) ring.key(), ring.result());
            }
        }
    }

    private void ended(int slot, int result) {
        DiskTransfer transfer = inProgress.getAcquire(slot);
        if (transfer == null) {
            throw new IllegalStateException("slot " + slot + " has no operation");
        }
        int errno = Math.max(0, -result);
        if (errno == Errno.EAGAIN || errno == Errno.EINTR) {
            errno = files.carryOut(transfer);
        } else if (errno == 0 && transfer.op().hasData()) {
            transfer.memory().skip(result);
            // Nothing is there: the file has been cut under its disk.
            errno = result == 0 ? Errno.EIO : 0;
            if (errno == 0 && transfer.memory().bytes() > 0) {
                if (goesOn(transfer, slot)) {
                    return;
                }
                errno = files.carryOut(transfer);
            }
        }
        inProgress.setRelease(slot, null);
        complete(transfer, errno);
    }

    /// Begins the rest of an operation of which a part is done.
    private boolean goesOn(DiskTransfer transfer, int slot) {
        synchronized (lock) {
            return ask(transfer, slot) == 0;
        }
    }

    private void complete(DiskTransfer transfer, int errno) {
        try {
            transfer.complete(errno);
        } catch (RuntimeException | Error e) {
            log.error("{}: the end of an operation could not be handled", thread.getName(), e);
        }
    }

    /// The kernel has the memory until it is done.
    @Override
    public void giveUp() {}

    @Override
    public void close() {
        boolean ends;
        synchronized (lock) {
            if (closed) {
                return;
            }
            closed = true;
            ends = !started || endThread();
        }
        if (ends) {
            Uninterruptibles.joinUninterruptibly(thread);
            ring.close();
        } else {
            log.error("{} cannot be ended: the kernel takes no request", thread.getName());
        }
        files.close();
    }

    @GuardedBy("lock")
    private boolean endThread() {
        for (int i = 0; i < ATTEMPTS; i++) {
            if (ring.wake(END) == 0) {
                return true;
            }
            LockSupport.parkNanos(this, PAUSE_NANOS);
        }
        return false;
    }
}
