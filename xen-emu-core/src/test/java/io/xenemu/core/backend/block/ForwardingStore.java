package io.xenemu.core.backend.block;

import io.xenemu.core.toolstack.PvDevice;

/// A store that leaves all to another one, but what a test changes.
public abstract class ForwardingStore implements DiskStore {
    private final DiskStore store;

    /// @param store closed with this one
    protected ForwardingStore(DiskStore store) {
        this.store = store;
    }

    @Override
    public void belongsTo(PvDevice device) {
        store.belongsTo(device);
    }

    @Override
    public DiskFeatures features() {
        return store.features();
    }

    @Override
    public long bytes() {
        return store.bytes();
    }

    @Override
    public void resize() {
        store.resize();
    }

    @Override
    public boolean isFasterJoined() {
        return store.isFasterJoined();
    }

    @Override
    public boolean keepsWrites() {
        return store.keepsWrites();
    }

    @Override
    public long nextData(long from) {
        return store.nextData(from);
    }

    @Override
    public void submit(DiskTransfer transfer) {
        store.submit(transfer);
    }

    @Override
    public void giveUp() {
        store.giveUp();
    }

    @Override
    public void close() {
        store.close();
    }
}
