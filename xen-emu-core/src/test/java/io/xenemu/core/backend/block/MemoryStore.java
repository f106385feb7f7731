package io.xenemu.core.backend.block;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.file.IoVectors;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A store whose bytes are an array, which several services use one after the other. Operations end when a test says
/// so, in any order.
final class MemoryStore implements DiskStore {
    private final byte[] bytes;

    /// Operations in progress.
    final List<DiskTransfer> inProgress = new ArrayList<>();

    MemoryStore(byte[] bytes) {
        this.bytes = bytes;
    }

    @Override
    public void belongsTo(PvDevice device) {}

    @Override
    public DiskFeatures features() {
        return new DiskFeatures(true, true, true, true, SECTOR, SECTOR, SECTOR);
    }

    @Override
    public long bytes() {
        return bytes.length;
    }

    @Override
    public void resize() {}

    @Override
    public boolean isFasterJoined() {
        return true;
    }

    @Override
    public boolean keepsWrites() {
        return false;
    }

    @Override
    public long nextData(long from) {
        return from;
    }

    @Override
    public void submit(DiskTransfer transfer) {
        inProgress.add(transfer);
    }

    /// Carries an operation out, and ends it.
    void end(int index) {
        DiskTransfer transfer = inProgress.remove(index);
        carryOut(transfer, 1);
        transfer.complete(0);
    }

    /// Carries out a part of an operation, or all of it, and does not end it: its service has no more say.
    ///
    /// @param part 1 for all, 2 for the first half
    void leave(int index, int part) {
        carryOut(inProgress.remove(index), part);
    }

    private void carryOut(DiskTransfer transfer, int part) {
        int at = (int) transfer.offset();
        switch (transfer.op()) {
            case READ -> move(transfer.memory(), at, false, part);
            case WRITE -> move(transfer.memory(), at, true, part);
            case DISCARD, WRITE_ZEROES ->
                    Arrays.fill(bytes, at, at + (int) (transfer.bytes() / part), (byte) 0);
            case FLUSH -> {}
        }
    }

    @SuppressWarnings("restricted")
    private void move(IoVectors memory, int offset, boolean write, int part) {
        int at = offset;
        int end = offset + (int) (memory.bytes() / part);
        for (int i = 0; i < memory.count() && at < end; i++) {
            int count = (int) Math.min(memory.length(i), end - at);
            MemorySegment piece =
                    MemorySegment.ofAddress(memory.address(i)).reinterpret(memory.length(i));
            if (write) {
                MemorySegment.copy(piece, JAVA_BYTE, 0, bytes, at, count);
            } else {
                MemorySegment.copy(bytes, at, piece, JAVA_BYTE, 0, count);
            }
            at += count;
        }
    }

    @Override
    public void giveUp() {}

    @Override
    public void close() {}
}
