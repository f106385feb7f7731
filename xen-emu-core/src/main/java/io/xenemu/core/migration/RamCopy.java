package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;

/// The RAM of a guest as it was at one moment, to be saved while the guest goes on. It takes as much memory as the
/// guest has.
///
/// It is copied twice: at first while the guest runs, for which the host has to find the memory, and then again, within
/// a fraction of that time, while it stands still.
public final class RamCopy implements AutoCloseable {
    private final RamSource ram;
    private final WorkProgress progress;
    private final MemFd file;
    private final MemorySegment pages;

    private RamCopy(RamSource ram, WorkProgress progress, MemFd file) {
        this.ram = ram;
        this.progress = progress;
        this.file = file;
        this.pages = file.map(0, file.size());
    }

    /// Bytes that a copy takes.
    public static long bytes(RamSource ram) {
        return bytes(ram.file());
    }

    /// Bytes of the host's memory that RAM has.
    public static long bytes(MemFd file) {
        long bytes = 0;
        long size = file.size();
        for (long from = file.nextData(0); from < size; ) {
            long to = file.nextHole(from);
            bytes += to - from;
            from = file.nextData(to);
        }
        return bytes;
    }

    /// Copies RAM that is in use. The copy is of no moment yet.
    ///
    /// @param progress is looked at for a cancel
    /// @throws SaveCancelledException if the save is cancelled
    public static RamCopy begin(RamSource ram, WorkProgress progress)
            throws SaveCancelledException {
        MemFd file = MemFd.createLarge("xen-checkpoint", ram.file().size());
        boolean done = false;
        try {
            RamCopy copy = new RamCopy(ram, progress, file);
            copy.take();
            done = true;
            return copy;
        } finally {
            if (!done) {
                file.close();
            }
        }
    }

    /// Makes it a copy of this moment. Nobody writes to the RAM meanwhile.
    ///
    /// @throws SaveCancelledException if the save is cancelled
    public void take() throws SaveCancelledException {
        long size = file.size();
        for (long at = 0; at < size; ) {
            long data = ram.file().nextData(at);
            if (file.nextData(at) < data) {
                // The guest has given it up since.
                file.discard(pages.asSlice(at, data - at));
            }
            long hole = ram.file().nextHole(data);
            copy(data, hole);
            at = hole;
        }
    }

    /// In parts, so that a cancel is seen.
    private void copy(long from, long to) throws SaveCancelledException {
        for (long at = from; at < to; at += SaveFormat.CHUNK_BYTES) {
            long length = Math.min(to - at, SaveFormat.CHUNK_BYTES);
            MemorySegment.copy(ram.pages(), at, pages, at, length);
            SaveCancelledException.tell(progress, 0);
        }
    }

    /// The copy, as a guest's RAM.
    public RamSource source() {
        return new RamSource(file, pages);
    }

    @Override
    public void close() {
        file.close();
    }
}
