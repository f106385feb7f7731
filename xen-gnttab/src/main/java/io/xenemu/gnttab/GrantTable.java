package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The grant table of one domain, version 1 (`xen/include/public/grant_table.h`): its frames, and the mappings that the
/// service has of the pages it grants.
///
/// Every method may be called from any thread. Growing takes this object's monitor, mapping and unmapping that of one frame
/// of the table; nothing is called back from either but [FrameSource] while growing.
public final class GrantTable {
    /// Xen's default limit of frames, which makes 32,768 grants (`gnttab_max_frames`).
    public static final int DEFAULT_MAX_FRAMES = 64;

    /// The largest limit of frames, which makes 8,388,608 grants: half of the memory slots that KVM has (32,764), since a
    /// guest may put each frame where a slot of its own is needed.
    public static final int LARGEST_MAX_FRAMES = 16_384;

    /// Pages that a table has from the beginning, as in Xen.
    private static final int INITIAL_FRAMES = 1;

    private static final int VERSION = 1;

    private final DomId domId;
    private final int maxFrames;
    private final Predicate<DomId> domainExists;
    private final FrameSource source;
    private final GuestMemory memory;
    private final GrantTableMetrics metrics;
    private volatile GrantFrame[] frames = {};

    /// The grant table of a new domain: one frame, nothing granted.
    ///
    /// @param maxFrames how far it may grow, 1 to [#LARGEST_MAX_FRAMES]
    /// @param domainExists whether there is such a domain in this service
    /// @param source gives the frames' pages
    /// @param memory where the granted pages are
    /// @param metrics the domain's meters; closed by [#destroy]
    public GrantTable(
            DomId domId,
            int maxFrames,
            Predicate<DomId> domainExists,
            FrameSource source,
            GuestMemory memory,
            GrantTableMetrics metrics) {
        if (maxFrames < INITIAL_FRAMES || maxFrames > LARGEST_MAX_FRAMES) {
            throw new IllegalArgumentException(
                    "a grant table has 1 to " + LARGEST_MAX_FRAMES + " frames, not " + maxFrames);
        }
        this.domId = domId;
        this.maxFrames = maxFrames;
        this.domainExists = domainExists;
        this.source = source;
        this.memory = memory;
        this.metrics = metrics;
        grow(INITIAL_FRAMES);
    }

    /// `GNTTABOP_query_size`: whether the caller may ask; the answer is then [#frames] and [#maxFrames].
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @return `BAD_DOMAIN` no such domain; `PERMISSION_DENIED` it is another one
    public GrantStatus querySize(DomId dom) {
        GrantStatus status =
                isSelf(dom)
                        ? GrantStatus.OKAY
                        : domainExists.test(dom)
                                ? GrantStatus.PERMISSION_DENIED
                                : GrantStatus.BAD_DOMAIN;
        return metrics.finished(GrantOp.QUERY_SIZE, status);
    }

    /// Pages in use.
    public int frames() {
        return frames.length;
    }

    /// Pages that can come into use.
    public int maxFrames() {
        return maxFrames;
    }

    /// `GNTTABOP_set_version`. Whatever the outcome, the argument's version field is to hold [#version] afterwards.
    ///
    /// @throws XenError `EINVAL` unless 1 or 2; `ENOSYS` for 2, as from a Xen that is told to offer version 1 only
    public void setVersion(int version) throws XenError {
        if (version != VERSION) {
            throw metrics.failed(
                    GrantOp.SET_VERSION, version == 2 ? XenError.ENOSYS : XenError.EINVAL);
        }
        metrics.succeeded(GrantOp.SET_VERSION);
    }

    /// `GNTTABOP_get_version`.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @throws XenError `ESRCH` no such domain; `EPERM` it is another one
    public int getVersion(DomId dom) throws XenError {
        if (!isSelf(dom)) {
            throw metrics.failed(
                    GrantOp.GET_VERSION, domainExists.test(dom) ? XenError.EPERM : XenError.ESRCH);
        }
        metrics.succeeded(GrantOp.GET_VERSION);
        return VERSION;
    }

    /// The version in force.
    public int version() {
        return VERSION;
    }

    /// The page that `XENMEM_add_to_physmap` puts into the guest's address space for `XENMAPSPACE_grant_table`. The table
    /// grows as far as it has to.
    ///
    /// @param index the 32 low bits of `idx`; without version 2 there are no status frames, whose bit makes it too large
    /// @throws XenError `EINVAL` at or beyond [#maxFrames]
    public MemorySegment frame(int index) throws XenError {
        if (Integer.compareUnsigned(index, maxFrames) >= 0) {
            throw metrics.failed(GrantOp.FRAME, XenError.EINVAL);
        }
        grow(index + 1);
        metrics.succeeded(GrantOp.FRAME);
        return frames[index].memory();
    }

    /// Grants a page in the guest's name before it runs, as the toolstack does for the console and XenStore pages.
    ///
    /// @param ref one of the reserved references
    /// @param to who may map it
    /// @param gfn the page's guest frame number, 32 bits
    public void seed(GrantRef ref, DomId to, int gfn) {
        if (ref.value() < 0 || ref.value() >= GrantRef.RESERVED) {
            throw new IllegalArgumentException(ref + " is not reserved for the toolstack");
        }
        GrantFrame frame = frames[0];
        synchronized (frame) {
            frame.grant(ref.value(), to, gfn);
        }
    }

    /// Maps a page that this domain grants to `by`, with the outcomes of `GNTTABOP_map_grant_ref`. The guest sees
    /// `GTF_reading` or `GTF_writing` set in the entry until [#unmap], and must not revoke the grant meanwhile.
    ///
    /// @param into not mapped; describes the mapping if the result is `OKAY`
    /// @return `BAD_GNTREF` beyond the table; `GENERAL_ERROR` not granted to `by`, not for writing, not as a whole page,
    ///     mapped too often, or changed by the guest all the time; `BAD_PAGE` no RAM there
    public GrantStatus map(GrantRef ref, DomId by, boolean readOnly, GrantMapping into) {
        if (into.isMapped()) {
            throw new IllegalArgumentException("mapped already: " + into.ref);
        }
        GrantFrame frame = find(ref);
        if (frame == null) {
            return metrics.finished(GrantOp.MAP, GrantStatus.BAD_GNTREF);
        }
        GrantStatus status;
        synchronized (frame) {
            status = map(frame, ref, by, readOnly, into);
        }
        if (status == GrantStatus.OKAY) {
            metrics.mapped(1);
        }
        return metrics.finished(GrantOp.MAP, status);
    }

    private GrantStatus map(
            GrantFrame frame, GrantRef ref, DomId by, boolean readOnly, GrantMapping into) {
        int entry = ref.value() % GrantFrame.ENTRIES;
        if (!frame.admits(entry, by) || !frame.pin(entry, by, readOnly)) {
            return GrantStatus.GENERAL_ERROR;
        }
        if (!describe(frame, ref, by, readOnly, into)) {
            frame.unpin(entry, readOnly);
            return GrantStatus.BAD_PAGE;
        }
        return GrantStatus.OKAY;
    }

    private boolean describe(
            GrantFrame frame, GrantRef ref, DomId by, boolean readOnly, GrantMapping into) {
        int gfn = frame.gfn(ref.value() % GrantFrame.ENTRIES);
        long gpa = Integer.toUnsignedLong(gfn) * GuestMemory.PAGE_SIZE;
        try {
            MemorySegment page = memory.segment(gpa, GuestMemory.PAGE_SIZE);
            into.page = readOnly ? page.asReadOnly() : page;
        } catch (XenError e) {
            return false;
        }
        into.ref = ref;
        into.mapper = by;
        into.readOnly = readOnly;
        return true;
    }

    /// Takes over a mapping that `by` had when the domain was saved: as [#map], but the entry is in use already. Each saved
    /// mapping is taken over once.
    ///
    /// @return `BAD_GNTREF` not mapped so, or taken over already; `BAD_PAGE` no RAM there
    public GrantStatus adopt(GrantRef ref, DomId by, boolean readOnly, GrantMapping into) {
        GrantFrame frame = find(ref);
        if (into.isMapped() || frame == null) {
            return GrantStatus.BAD_GNTREF;
        }
        int entry = ref.value() % GrantFrame.ENTRIES;
        synchronized (frame) {
            if (!frame.hasOrphan(entry, readOnly) || !frame.mapper(entry).equals(by)) {
                return GrantStatus.BAD_GNTREF;
            }
            if (!describe(frame, ref, by, readOnly, into)) {
                return GrantStatus.BAD_PAGE;
            }
            frame.adopted(entry, readOnly);
            return GrantStatus.OKAY;
        }
    }

    /// Ends a mapping. The guest may revoke the grant once its last mapping has ended.
    ///
    /// @return `BAD_HANDLE` if nothing is mapped
    public GrantStatus unmap(GrantMapping mapping) {
        GrantFrame frame = mapping.isMapped() ? find(mapping.ref) : null;
        if (frame == null) {
            return metrics.finished(GrantOp.UNMAP, GrantStatus.BAD_HANDLE);
        }
        synchronized (frame) {
            frame.unpin(mapping.ref.value() % GrantFrame.ENTRIES, mapping.readOnly);
        }
        mapping.page = null;
        metrics.mapped(-1);
        return metrics.finished(GrantOp.UNMAP, GrantStatus.OKAY);
    }

    /// Removes the domain's meters.
    public void destroy() {
        metrics.close();
    }

    /// The table's state.
    public GrantTableState save() {
        List<GrantTableState.Mapped> mapped = new ArrayList<>();
        GrantFrame[] table = frames;
        for (int i = 0; i < table.length; i++) {
            GrantFrame frame = table[i];
            synchronized (frame) {
                for (int j = 0; j < GrantFrame.ENTRIES; j++) {
                    if (frame.isPinned(j)) {
                        mapped.add(
                                new GrantTableState.Mapped(
                                        new GrantRef(i * GrantFrame.ENTRIES + j),
                                        frame.mapper(j),
                                        frame.gfn(j),
                                        frame.readers(j),
                                        frame.writers(j)));
                    }
                }
            }
        }
        return new GrantTableState(domId, VERSION, maxFrames, table.length, mapped);
    }

    /// The grant table of a saved domain, whose frames' pages `source` gives with their old content. Back ends that had pages
    /// mapped take them over by [#adopt].
    ///
    /// @throws IllegalArgumentException if the state contradicts itself
    public static GrantTable restore(
            GrantTableState state,
            Predicate<DomId> domainExists,
            FrameSource source,
            GuestMemory memory,
            GrantTableMetrics metrics) {
        require(state.version() == VERSION, state);
        require(state.frames() <= state.maxFrames(), state);
        GrantTable table =
                new GrantTable(
                        state.domId(), state.maxFrames(), domainExists, source, memory, metrics);
        table.grow(state.frames());
        for (GrantTableState.Mapped mapped : state.mappings()) {
            GrantFrame frame = table.find(mapped.ref());
            boolean counted =
                    mapped.readers() >= 0
                            && mapped.readers() <= GrantFrame.MAX_PINS
                            && mapped.writers() >= 0
                            && mapped.writers() <= GrantFrame.MAX_PINS
                            && mapped.readers() + mapped.writers() > 0;
            int entry = mapped.ref().value() % GrantFrame.ENTRIES;
            if (frame == null || !counted || frame.isPinned(entry)) {
                throw new IllegalArgumentException("inconsistent saved grant: " + mapped);
            }
            synchronized (frame) {
                frame.restore(
                        entry, mapped.mapper(), mapped.gfn(), mapped.readers(), mapped.writers());
            }
            metrics.mapped(mapped.readers() + mapped.writers());
        }
        return table;
    }

    private @Nullable GrantFrame find(GrantRef ref) {
        GrantFrame[] table = frames;
        int index = ref.value() >>> Integer.numberOfTrailingZeros(GrantFrame.ENTRIES);
        return index < table.length ? table[index] : null;
    }

    private synchronized void grow(int count) {
        int old = frames.length;
        if (count <= old) {
            return;
        }
        GrantFrame[] grown = Arrays.copyOf(frames, count);
        for (int i = old; i < count; i++) {
            grown[i] = new GrantFrame(source.frame(i));
        }
        frames = grown;
        metrics.frames(count);
    }

    private boolean isSelf(DomId id) {
        return id.equals(DomId.SELF) || id.equals(domId);
    }

    private static void require(boolean consistent, GrantTableState state) {
        if (!consistent) {
            throw new IllegalArgumentException("inconsistent saved grant table: " + state);
        }
    }
}
