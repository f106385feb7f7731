package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Mappings of one domain's grants by the service's own back ends. The granter sees them like
/// `GNTTABOP_map_grant_ref` by domain 0; the page is in the service's memory, and there are no handles.
public final class BackendMappings {
    /// The most pages of a range: more than any ring has pages, or any request has segments.
    public static final int MAX_RANGE = 1024;

    private final Pins pins;
    private final RestoredPins restored;
    private final GrantTableMetrics metrics;

    BackendMappings(Pins pins, RestoredPins restored, GrantTableMetrics metrics) {
        this.pins = pins;
        this.restored = restored;
        this.metrics = metrics;
    }

    /// Maps a page that the domain grants to `by`. The guest sees `GTF_reading` or `GTF_writing` set in the entry until
    /// [#unmap], and must not revoke the grant meanwhile.
    ///
    /// @param into not mapped; describes the mapping if the result is `OKAY`
    /// @return `BAD_GNTREF` beyond the table; `GENERAL_ERROR` not granted to `by`, not for writing, not as a whole
    ///     page, mapped too often, or changed by the guest at every try; `BAD_PAGE` no RAM at the frame
    public GrantStatus map(GrantRef ref, DomId by, boolean readOnly, GrantMapping into) {
        if (into.isMapped()) {
            throw new IllegalArgumentException("mapped already: " + into.ref);
        }
        GrantStatus status = pins.pin(ref.value(), by.value(), readOnly);
        if (status == GrantStatus.OKAY) {
            into.set(ref, by, readOnly, pins.frames, pins.mfn(ref.value()));
            metrics.mapped(1);
        }
        return metrics.finished(GrantOp.BACKEND_MAP, status);
    }

    /// Takes over a mapping that `by` had when the domain was saved: like [#map], but the entry is in use already.
    /// Each saved mapping can be taken over once.
    ///
    /// @return `BAD_GNTREF` there is no such saved mapping, or it was taken over already
    public GrantStatus adopt(GrantRef ref, DomId by, boolean readOnly, GrantMapping into) {
        if (into.isMapped() || !restored.take(ref.value(), by.value(), readOnly)) {
            return GrantStatus.BAD_GNTREF;
        }
        into.set(ref, by, readOnly, pins.frames, pins.mfn(ref.value()));
        return GrantStatus.OKAY;
    }

    /// Ends a mapping. The guest may revoke the grant once its last mapping has ended.
    ///
    /// @return `BAD_HANDLE` if nothing is mapped
    public GrantStatus unmap(GrantMapping mapping) {
        if (!mapping.isMapped()) {
            return metrics.finished(GrantOp.BACKEND_UNMAP, GrantStatus.BAD_HANDLE);
        }
        mapping.clear();
        end(mapping.ref.value(), mapping.readOnly);
        return metrics.finished(GrantOp.BACKEND_UNMAP, GrantStatus.OKAY);
    }

    /// Maps several pages contiguously, without copying them: all or none.
    ///
    /// @param refs 1 to [#MAX_RANGE] references, in the order of the pages; a reference may occur more than once
    /// @param pages makes the contiguous view
    /// @param into not mapped; describes the mapping if the result is `OKAY`
    /// @return as [#map], for the first page that cannot be mapped
    public GrantStatus mapRange(
            List<GrantRef> refs,
            DomId by,
            boolean readOnly,
            ContiguousPages pages,
            GrantRange into) {
        if (into.isMapped() || refs.isEmpty() || refs.size() > MAX_RANGE) {
            throw new IllegalArgumentException("mapped already, or " + refs.size() + " pages");
        }
        int[] numbers = new int[refs.size()];
        long[] mfns = new long[refs.size()];
        int mapped = 0;
        boolean complete = false;
        try {
            for (GrantRef ref : refs) {
                GrantStatus status = pins.pin(ref.value(), by.value(), readOnly);
                if (status != GrantStatus.OKAY) {
                    return metrics.finished(GrantOp.BACKEND_MAP, status);
                }
                numbers[mapped] = ref.value();
                mfns[mapped] = pins.mfn(ref.value());
                mapped++;
                metrics.mapped(1);
                metrics.succeeded(GrantOp.BACKEND_MAP);
            }
            into.view = pages.assemble(pins.frames, mfns, mapped, readOnly);
            into.pages = pages;
            into.refs = numbers;
            into.readOnly = readOnly;
            complete = true;
        } finally {
            for (int i = 0; !complete && i < mapped; i++) {
                end(numbers[i], readOnly);
            }
        }
        return GrantStatus.OKAY;
    }

    /// Ends a mapping of several pages.
    ///
    /// @return `BAD_HANDLE` if nothing is mapped
    public GrantStatus unmapRange(GrantRange range) {
        MemorySegment view = range.view;
        ContiguousPages pages = range.pages;
        if (view == null || pages == null) {
            return metrics.finished(GrantOp.BACKEND_UNMAP, GrantStatus.BAD_HANDLE);
        }
        range.view = null;
        pages.dissolve(view);
        for (int ref : range.refs) {
            end(ref, range.readOnly);
            metrics.succeeded(GrantOp.BACKEND_UNMAP);
        }
        return GrantStatus.OKAY;
    }

    /// Maps the pages of one request: all or none. Does not allocate.
    ///
    /// @param pages at least one reference, none mapped
    /// @return as [#map], for the first page that cannot be mapped
    public GrantStatus mapPages(GrantPages pages, DomId by, boolean readOnly) {
        if (pages.isMapped() || pages.count == 0) {
            throw new IllegalArgumentException("mapped already, or no pages");
        }
        GrantStatus status = pins.pin(pages, by.value(), readOnly);
        if (status != GrantStatus.OKAY) {
            return metrics.finished(GrantOp.BACKEND_MAP, status);
        }
        pages.readOnly = readOnly;
        pages.frames = pins.frames;
        metrics.mapped(pages.count);
        metrics.succeeded(GrantOp.BACKEND_MAP, pages.count);
        return GrantStatus.OKAY;
    }

    /// Ends the mapping of a request's pages.
    ///
    /// @return `BAD_HANDLE` if nothing is mapped
    public GrantStatus unmapPages(GrantPages pages) {
        if (!pages.isMapped()) {
            return metrics.finished(GrantOp.BACKEND_UNMAP, GrantStatus.BAD_HANDLE);
        }
        pages.frames = null;
        pins.unpin(pages, pages.count, pages.readOnly);
        metrics.mapped(-pages.count);
        metrics.succeeded(GrantOp.BACKEND_UNMAP, pages.count);
        return GrantStatus.OKAY;
    }

    private void end(int ref, boolean readOnly) {
        pins.unpin(ref, readOnly);
        metrics.mapped(-1);
    }
}
