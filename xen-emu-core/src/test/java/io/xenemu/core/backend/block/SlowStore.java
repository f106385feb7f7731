package io.xenemu.core.backend.block;

import io.xenemu.core.toolstack.PvDevice;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// A store without bytes that completes when the test says so.
class SlowStore implements DiskStore {
    final List<DiskTransfer> submitted = new CopyOnWriteArrayList<>();
    final List<DiskOp> log = new CopyOnWriteArrayList<>();
    volatile long bytes = 1L << 42;

    /// Runs in each submission.
    volatile Runnable onSubmit = () -> {};

    volatile boolean fasterJoined;
    volatile boolean keepsWrites;
    volatile boolean closed;
    volatile boolean givenUp;

    @Override
    public void belongsTo(PvDevice device) {}

    @Override
    public DiskFeatures features() {
        return new DiskFeatures(true, true, true, true, 512, 512, 512);
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public boolean isFasterJoined() {
        return fasterJoined;
    }

    @Override
    public boolean keepsWrites() {
        return keepsWrites;
    }

    @Override
    public void resize() {}

    @Override
    public long nextData(long from) {
        return from;
    }

    @Override
    public void submit(DiskTransfer transfer) {
        submitted.add(transfer);
        log.add(transfer.op());
        onSubmit.run();
    }

    /// Completes the transfer that was submitted at this place among those in progress.
    void complete(int index, int errno) {
        submitted.remove(index).complete(errno);
    }

    @Override
    public void giveUp() {
        givenUp = true;
    }

    @Override
    public void close() {
        closed = true;
    }
}
