package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The mapping side of a guest: `GNTTABOP_map_grant_ref` and `GNTTABOP_unmap_grant_ref`.
///
/// A mapping involves three locks, never held together. The handle is taken first and published last, so that no
/// other thread ends a mapping that is still being made. The granter's entry is in use from before the page appears
/// until after it has gone.
final class GuestMappings {
    private static final int GNTMAP_DEVICE_MAP = 1;
    private static final int GNTMAP_HOST_MAP = 1 << 1;
    static final int GNTMAP_READONLY = 1 << 2;
    private static final int GNTMAP_APPLICATION_MAP = 1 << 3;
    private static final int GNTMAP_CONTAINS_PTE = 1 << 4;
    private static final int NOT_FOR_HVM =
            GNTMAP_DEVICE_MAP | GNTMAP_APPLICATION_MAP | GNTMAP_CONTAINS_PTE;

    static final int PAGE_SHIFT = 12;

    private final DomId domId;
    private final Granters domains;
    private final Physmap physmap;
    private final GrantTableMetrics metrics;
    private final Maptrack maptrack;

    GuestMappings(
            DomId domId,
            GrantEnvironment environment,
            GrantLimits limits,
            GrantTableMetrics metrics) {
        this.domId = domId;
        this.domains = environment.domains();
        this.physmap = environment.physmap();
        this.metrics = metrics;
        this.maptrack = new Maptrack(limits.maxMaptrackFrames());
    }

    /// Serves the operations of a batch. All entries come into use first, then pages that follow one another are placed
    /// together, and handles are published last.
    void map(MapBatch batch) {
        int count = batch.count();
        batch.order.clear();
        for (int i = 0; i < count; i++) {
            batch.granters[i] = null;
            batch.placed[i] = false;
            batch.statuses[i] = GrantStatus.GENERAL_ERROR;
        }
        try {
            for (int i = 0; i < count; i++) {
                batch.statuses[i] = begin(batch, i);
            }
            placeAll(batch);
        } finally {
            for (int i = 0; i < count; i++) {
                settle(batch, i);
            }
        }
    }

    /// Checks an operation, and brings its entry into use. If that succeeds, a handle is taken.
    private GrantStatus begin(MapBatch batch, int i) {
        int flags = batch.flags[i];
        if ((flags & (GNTMAP_DEVICE_MAP | GNTMAP_HOST_MAP)) == 0) {
            return GrantStatus.BAD_GNTREF;
        }
        if ((flags & NOT_FOR_HVM) != 0) {
            return GrantStatus.GENERAL_ERROR;
        }
        GrantTable granter = domains.find(batch.doms[i]);
        if (granter == null) {
            return GrantStatus.BAD_DOMAIN;
        }
        int handle = maptrack.reserve();
        if (handle == Maptrack.NONE) {
            return GrantStatus.NO_SPACE;
        }
        Pins pins = granter.pins();
        int ref = batch.refs[i];
        GrantStatus status = GrantStatus.GENERAL_ERROR;
        try {
            status = pins.pin(ref, domId.value(), batch.isReadOnly(i));
        } finally {
            if (status != GrantStatus.OKAY) {
                maptrack.cancel(handle);
            }
        }
        if (status != GrantStatus.OKAY) {
            return status;
        }
        batch.handles[i] = handle;
        batch.mfns[i] = pins.mfn(ref);
        batch.granters[i] = pins;
        // Unknown flags are refused here, after all checks of the entry.
        if ((flags & ~GNTMAP_READONLY) == GNTMAP_HOST_MAP) {
            batch.order.add(i, batch.gfns[i]);
        }
        return GrantStatus.OKAY;
    }

    private void placeAll(MapBatch batch) {
        FrameOrder order = batch.order;
        for (int from = 0; from < order.count(); ) {
            int to = from + 1;
            while (to < order.count()
                    && order.isNeighbour(to)
                    && batch.pageFollows(order.operation(to - 1), order.operation(to))) {
                to++;
            }
            if (!place(batch, from, to) && to > from + 1) {
                // Some of them may be possible.
                for (int i = from; i < to; i++) {
                    boolean _ = place(batch, i, i + 1);
                }
            }
            from = to;
        }
    }

    private boolean place(MapBatch batch, int from, int to) {
        int first = batch.order.operation(from);
        Pins granter = batch.granters[first];
        if (granter == null
                || !physmap.place(
                        batch.gfns[first],
                        granter.frames,
                        batch.mfns[first],
                        to - from,
                        batch.isReadOnly(first))) {
            return false;
        }
        for (int i = from; i < to; i++) {
            batch.placed[batch.order.operation(i)] = true;
        }
        return true;
    }

    /// Publishes a mapping that was made, or undoes what [#begin] did.
    private void settle(MapBatch batch, int i) {
        Pins granter = batch.granters[i];
        if (granter == null) {
            return;
        }
        batch.granters[i] = null;
        int ref = batch.refs[i];
        boolean readOnly = batch.isReadOnly(i);
        if (!batch.placed[i]) {
            granter.unpin(ref, readOnly);
            maptrack.cancel(batch.handles[i]);
            batch.statuses[i] = GrantStatus.GENERAL_ERROR;
            return;
        }
        maptrack.set(
                batch.handles[i], granter, batch.doms[i].value(), ref, readOnly, batch.gfns[i]);
        granter.metrics.mapped(1);
        metrics.tracked(1);
    }

    /// Ends mappings. A host address of 0 leaves one, as in Xen. A mapping ends only at the address at which it was
    /// made. Xen accepts any address that shows the page. Then a page that a guest has mapped both for reading and for
    /// writing could stay writable, while the granter sees it in use only for reading.
    ///
    /// An entry is in use until the guest does not see its page any more.
    void unmap(UnmapBatch batch) {
        int count = batch.count();
        batch.order.clear();
        for (int i = 0; i < count; i++) {
            batch.granters[i] = null;
            batch.removed[i] = false;
            batch.statuses[i] = GrantStatus.GENERAL_ERROR;
        }
        try {
            for (int i = 0; i < count; i++) {
                batch.statuses[i] = begin(batch, i);
            }
            removeAll(batch);
        } finally {
            for (int i = 0; i < count; i++) {
                settle(batch, i);
            }
        }
    }

    /// Takes the handle of an operation.
    private GrantStatus begin(UnmapBatch batch, int i) {
        int handle = batch.handles[i];
        if (!maptrack.take(handle)) {
            return GrantStatus.BAD_HANDLE;
        }
        long address = batch.addresses[i];
        long gfn = address >>> PAGE_SHIFT;
        if (address == 0 || gfn != maptrack.gfn(handle)) {
            maptrack.keep(handle);
            return address == 0 ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
        }
        batch.granters[i] = maptrack.granter(handle);
        batch.order.add(i, gfn);
        return GrantStatus.OKAY;
    }

    private void removeAll(UnmapBatch batch) {
        FrameOrder order = batch.order;
        for (int from = 0; from < order.count(); ) {
            int to = from + 1;
            while (to < order.count() && order.isNeighbour(to)) {
                to++;
            }
            if (!remove(batch, from, to) && to > from + 1) {
                for (int i = from; i < to; i++) {
                    boolean _ = remove(batch, i, i + 1);
                }
            }
            from = to;
        }
    }

    private boolean remove(UnmapBatch batch, int from, int to) {
        FrameOrder order = batch.order;
        for (int i = from; i < to; i++) {
            int operation = order.operation(i);
            Pins granter = batch.granters[operation];
            if (granter == null) {
                return false;
            }
            batch.mfns[i - from] = granter.mfn(maptrack.ref(batch.handles[operation]));
        }
        if (!physmap.remove(order.gfn(from), batch.mfns, to - from)) {
            return false;
        }
        for (int i = from; i < to; i++) {
            batch.removed[order.operation(i)] = true;
        }
        return true;
    }

    /// Frees the handle of a mapping that has ended, or returns it to the mapping that it still is.
    private void settle(UnmapBatch batch, int i) {
        Pins granter = batch.granters[i];
        if (granter == null) {
            return;
        }
        batch.granters[i] = null;
        int handle = batch.handles[i];
        if (batch.removed[i]) {
            end(handle, granter, maptrack.ref(handle));
        } else {
            maptrack.keep(handle);
            batch.statuses[i] = GrantStatus.GENERAL_ERROR;
        }
    }

    private void end(int handle, Pins pins, int ref) {
        boolean readOnly = maptrack.readOnly(handle);
        maptrack.end(handle);
        pins.unpin(ref, readOnly);
        pins.metrics.mapped(-1);
        metrics.tracked(-1);
    }

    /// Ends every mapping. The address space that contained them is gone already.
    void endAll() {
        for (int handle = 0; handle < maptrack.size(); handle++) {
            if (maptrack.take(handle)) {
                end(handle, maptrack.granter(handle), maptrack.ref(handle));
            }
        }
    }

    /// Every mapping, in ascending order.
    List<GrantTableState.Tracked> save() {
        List<GrantTableState.Tracked> saved = new ArrayList<>();
        for (int handle = 0; handle < maptrack.size(); handle++) {
            Maptrack.Mapping mapping = maptrack.get(handle);
            if (mapping != null) {
                saved.add(
                        new GrantTableState.Tracked(
                                handle,
                                new DomId(mapping.domid()),
                                new GrantRef(mapping.ref()),
                                mapping.readOnly(),
                                mapping.gfn()));
            }
        }
        return saved;
    }

    /// Makes a mapping that the domain had when it was saved; the granter's entry counts it already. Call [#restored]
    /// next.
    ///
    /// @return whether the page could be placed
    boolean restore(GrantTableState.Tracked saved, @Nullable GrantTable granter) {
        if (granter == null
                || !granter.restored().take(saved.ref().value(), domId.value(), saved.readOnly())) {
            return false;
        }
        Pins pins = granter.pins();
        int ref = saved.ref().value();
        Maptrack.Mapping mapping =
                new Maptrack.Mapping(
                        saved.handle(),
                        pins,
                        saved.granter().value(),
                        ref,
                        saved.readOnly(),
                        saved.gfn());
        long mfn = pins.mfn(ref);
        if (physmap.place(saved.gfn(), pins.frames, mfn, 1, saved.readOnly())) {
            if (maptrack.restore(mapping)) {
                metrics.tracked(1);
                return true;
            }
            physmap.remove(saved.gfn(), new long[] {mfn}, 1);
        }
        pins.unpin(ref, saved.readOnly());
        pins.metrics.mapped(-1);
        return false;
    }

    /// Called after the last [#restore].
    void restored() {
        maptrack.restored();
    }
}
