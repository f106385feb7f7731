package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;

/// Batches of one operation, and the results of the last mapping.
final class MapResult {
    private final MapBatch batch = new MapBatch();

    static GrantStatus map(
            GrantTable table, long hostAddr, int flags, int ref, DomId dom, MapResult result) {
        result.batch.clear();
        result.batch.add(hostAddr, flags, ref, dom);
        table.map(result.batch);
        return result.batch.status(0);
    }

    static GrantStatus unmap(GrantTable table, long hostAddr, int handle) {
        UnmapBatch batch = new UnmapBatch();
        batch.add(hostAddr, handle);
        table.unmap(batch);
        return batch.status(0);
    }

    int handle() {
        return batch.handle(0);
    }

    long busAddress() {
        return batch.busAddress(0);
    }
}
