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
    private static final int GNTMAP_READONLY = 1 << 2;
    private static final int GNTMAP_APPLICATION_MAP = 1 << 3;
    private static final int GNTMAP_CONTAINS_PTE = 1 << 4;
    private static final int NOT_FOR_HVM =
            GNTMAP_DEVICE_MAP | GNTMAP_APPLICATION_MAP | GNTMAP_CONTAINS_PTE;

    private static final int PAGE_SHIFT = 12;

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

    GrantStatus map(long hostAddr, int flags, int ref, DomId dom, MapResult result) {
        if ((flags & (GNTMAP_DEVICE_MAP | GNTMAP_HOST_MAP)) == 0) {
            return GrantStatus.BAD_GNTREF;
        }
        if ((flags & NOT_FOR_HVM) != 0) {
            return GrantStatus.GENERAL_ERROR;
        }
        GrantTable granter = domains.find(dom);
        if (granter == null) {
            return GrantStatus.BAD_DOMAIN;
        }
        int handle = maptrack.reserve();
        if (handle == Maptrack.NONE) {
            return GrantStatus.NO_SPACE;
        }
        GrantStatus status = GrantStatus.GENERAL_ERROR;
        try {
            status = map(hostAddr, flags, ref, dom, granter, handle, result);
        } finally {
            if (status != GrantStatus.OKAY) {
                maptrack.cancel(handle);
            }
        }
        return status;
    }

    private GrantStatus map(
            long hostAddr,
            int flags,
            int ref,
            DomId dom,
            GrantTable granter,
            int handle,
            MapResult result) {
        Pins pins = granter.pins();
        boolean readOnly = (flags & GNTMAP_READONLY) != 0;
        GrantStatus status = pins.pin(ref, domId.value(), readOnly);
        if (status != GrantStatus.OKAY) {
            return status;
        }
        long mfn = pins.mfn(ref);
        long gfn = hostAddr >>> PAGE_SHIFT;
        boolean placed = false;
        try {
            // Unknown flags are refused here, after all checks of the entry.
            placed =
                    (flags & ~GNTMAP_READONLY) == GNTMAP_HOST_MAP
                            && physmap.place(gfn, pins.frames, mfn, readOnly);
        } finally {
            if (!placed) {
                pins.unpin(ref, readOnly);
            }
        }
        if (!placed) {
            return GrantStatus.GENERAL_ERROR;
        }
        maptrack.set(handle, pins, dom.value(), ref, readOnly, gfn);
        pins.metrics.mapped(1);
        metrics.tracked(1);
        result.handle = handle;
        result.busAddress = mfn << PAGE_SHIFT;
        return GrantStatus.OKAY;
    }

    /// Ends a mapping. A host address of 0 leaves it, as in Xen. A mapping ends only at the address at which it was
    /// made. Xen accepts any address that shows the page. Then a page that a guest has mapped both for reading and for
    /// writing could stay writable, while the granter sees it in use only for reading.
    GrantStatus unmap(long hostAddr, int handle) {
        if (!maptrack.take(handle)) {
            return GrantStatus.BAD_HANDLE;
        }
        Pins pins = maptrack.granter(handle);
        int ref = maptrack.ref(handle);
        boolean removed = false;
        try {
            if (hostAddr == 0) {
                return GrantStatus.OKAY;
            }
            long gfn = hostAddr >>> PAGE_SHIFT;
            removed = gfn == maptrack.gfn(handle) && physmap.remove(gfn, pins.mfn(ref));
            return removed ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
        } finally {
            if (removed) {
                end(handle, pins, ref);
            } else {
                maptrack.keep(handle);
            }
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
        if (physmap.place(saved.gfn(), pins.frames, mfn, saved.readOnly())) {
            if (maptrack.restore(mapping)) {
                metrics.tracked(1);
                return true;
            }
            physmap.remove(saved.gfn(), mfn);
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
