package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// The grant table of one domain, and its mappings of other domains' grants: `HYPERVISOR_grant_table_op` for HVM and
/// PVH guests (`xen/include/public/grant_table.h`). As Xen does for such guests, it refuses `transfer`, `dump_table`,
/// `unmap_and_replace`, `get_status_frames` and `cache_flush` with `ENOSYS`.
///
/// Every method may be called from any thread. Growing and changing the version take a lock of the table; all other
/// operations take a lock of 512 entries. No thread holds locks of two domains. An interface is called with a lock
/// held only if it says so.
public final class GrantTable {
    /// Bit of `XENMEM_add_to_physmap`'s index that selects a status frame (`XENMAPIDX_grant_table_status`).
    private static final long STATUS_INDEX = 0x8000_0000L;

    /// How often [#hold] looks: one use of an entry begins within a few microseconds.
    private static final long HOLD_POLL_MICROS = 100;

    private final DomId domId;
    private final GrantLimits limits;
    private final Granters domains;
    private final GrantTableMetrics metrics;
    private final EntryTable table;
    private final Pins pins;
    private final GuestMappings mappings;
    private final BackendMappings backend;
    private final RestoredPins restored = new RestoredPins();
    private final List<GrantTableState.Tracked> toReattach = new ArrayList<>();

    /// The grant table of a new domain: version 1, one frame, nothing granted.
    ///
    /// @param metrics the domain's meters; closed by [#destroy]
    public GrantTable(
            DomId domId,
            GrantLimits limits,
            GrantEnvironment environment,
            GrantTableMetrics metrics) {
        this.domId = domId;
        this.limits = limits;
        this.domains = environment.domains();
        this.metrics = metrics;
        this.table = new EntryTable(limits, environment.pages(), metrics);
        this.pins = new Pins(domId, table, environment, metrics);
        this.mappings = new GuestMappings(domId, environment, limits, metrics);
        this.backend = new BackendMappings(pins, restored, metrics);
    }

    Pins pins() {
        return pins;
    }

    /// Tells an observer of every use of its grants by others from now on. Any thread may call this.
    ///
    /// @param uses null for none
    public void observe(@Nullable GrantObserver uses) {
        pins.observe(uses);
    }

    RestoredPins restored() {
        return restored;
    }

    /// The domain's limits.
    public GrantLimits limits() {
        return limits;
    }

    /// The service's own mappings of the domain's grants.
    public BackendMappings backend() {
        return backend;
    }

    /// A new `GNTTABOP_copy` by this domain, for one vCPU.
    public GrantCopy newCopy() {
        return new GrantCopy(domId, pins, domains, metrics);
    }

    /// `GNTTABOP_map_grant_ref`. The operations have no order between them, except that of two at one address the
    /// first has it. Pages that follow one another in both domains cost one change of the address space.
    ///
    /// Results are `BAD_GNTREF` no such entry, or neither a host nor a device mapping; `BAD_DOMAIN` no such domain;
    /// `NO_SPACE` no handle is free; `EAGAIN` the domain is being saved; `BAD_PAGE` the entry's frame is no RAM, or
    /// another domain's page; `GENERAL_ERROR` all else: flags that an HVM guest cannot use, not granted to this
    /// domain or not for writing, in use too often, or no page can be mapped at that address.
    public void map(MapBatch batch) {
        mappings.map(batch);
        for (int i = 0; i < batch.count(); i++) {
            metrics.finished(GrantOp.MAP, batch.status(i));
        }
    }

    /// `GNTTABOP_unmap_grant_ref`. Afterwards the guest sees none of the pages. Neighbours in its address space cost
    /// one change of it.
    ///
    /// Results are `BAD_HANDLE` no such mapping; `GENERAL_ERROR` it is not at that address.
    public void unmap(UnmapBatch batch) {
        mappings.unmap(batch);
        for (int i = 0; i < batch.count(); i++) {
            metrics.finished(GrantOp.UNMAP, batch.status(i));
        }
    }

    /// `GNTTABOP_setup_table`: grows the table. The caller writes the list of frames.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @param count the number of frames, unsigned
    /// @return as [#querySize]; `GENERAL_ERROR` more than the limit
    public GrantStatus setupTable(DomId dom, int count) {
        GrantStatus status = requireSelf(dom);
        if (status == GrantStatus.OKAY) {
            if (Integer.compareUnsigned(count, limits.maxGrantFrames()) > 0) {
                status = GrantStatus.GENERAL_ERROR;
            } else {
                table.growTo(count);
            }
        }
        return metrics.finished(GrantOp.SETUP_TABLE, status);
    }

    /// `GNTTABOP_query_size`: checks that the caller may ask. If so, the answer is [#frames] and the limit.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @return `BAD_DOMAIN` no such domain; `PERMISSION_DENIED` `dom` is another domain
    public GrantStatus querySize(DomId dom) {
        return metrics.finished(GrantOp.QUERY_SIZE, requireSelf(dom));
    }

    private GrantStatus requireSelf(DomId dom) {
        if (isSelf(dom)) {
            return GrantStatus.OKAY;
        }
        return domains.find(dom) == null ? GrantStatus.BAD_DOMAIN : GrantStatus.PERMISSION_DENIED;
    }

    /// The number of pages of entries in use.
    public int frames() {
        return table.frames();
    }

    /// The number of pages of status words in use; 0 in version 1.
    public int statusFrames() {
        return table.statusFrames();
    }

    /// `GNTTABOP_set_version`. Whatever the outcome, the caller then writes [#version] to the argument's version
    /// field.
    ///
    /// @throws XenError `EINVAL` neither 1 nor 2; `ENOSYS` 2, which the domain may not use; `EBUSY` an entry is in
    ///     use beyond the first 8, which stay; `ERANGE` a change from 2 to 1, and one of the first 8 has no form in
    ///     version 1
    public void setVersion(int version) throws XenError {
        try {
            if (version != 1 && version != 2) {
                throw XenError.EINVAL;
            }
            if (version > limits.maxGrantVersion()) {
                throw XenError.ENOSYS;
            }
            table.setVersion(version);
        } catch (XenError e) {
            throw metrics.failed(GrantOp.SET_VERSION, e);
        }
        metrics.succeeded(GrantOp.SET_VERSION);
    }

    /// `GNTTABOP_get_version`.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @throws XenError `ESRCH` no such domain; `EPERM` `dom` is another domain
    public int getVersion(DomId dom) throws XenError {
        if (!isSelf(dom)) {
            throw metrics.failed(
                    GrantOp.GET_VERSION,
                    domains.find(dom) == null ? XenError.ESRCH : XenError.EPERM);
        }
        metrics.succeeded(GrantOp.GET_VERSION);
        return table.version();
    }

    /// The current version.
    public int version() {
        return table.version();
    }

    /// `GNTTABOP_swap_grant_ref`, one operation of a batch.
    ///
    /// @return `BAD_GNTREF` no such entry; `EAGAIN` one is in use
    public GrantStatus swapGrantRef(GrantRef a, GrantRef b) {
        return metrics.finished(GrantOp.SWAP, table.swap(a.value(), b.value()));
    }

    /// The page that `XENMEM_add_to_physmap` puts into the guest's address space for `XENMAPSPACE_grant_table`. The
    /// table grows to include it.
    ///
    /// @param index all 64 bits of `idx`; in version 2, `XENMAPIDX_grant_table_status` selects a status frame
    /// @throws XenError `EINVAL` beyond the limit
    public TableFrame frame(long index) throws XenError {
        try {
            TableFrame frame = find(index);
            metrics.succeeded(GrantOp.FRAME);
            return frame;
        } catch (XenError e) {
            throw metrics.failed(GrantOp.FRAME, e);
        }
    }

    private TableFrame find(long index) throws XenError {
        boolean isStatus = version() == 2 && (index & STATUS_INDEX) != 0;
        long number = isStatus ? index & ~STATUS_INDEX : index;
        int limit = isStatus ? limits.maxStatusFrames() : limits.maxGrantFrames();
        if (number < 0 || number >= limit) {
            throw XenError.EINVAL;
        }
        int frame = Math.toIntExact(number);
        if (isStatus) {
            table.growToStatusFrame(frame);
        } else {
            table.growTo(frame + 1);
        }
        return new TableFrame(isStatus, frame);
    }

    /// Grants a page for the guest before it runs, as the toolstack does for the console and XenStore pages.
    ///
    /// @param ref one of the reserved references
    /// @param to the domain that may map it
    /// @param gfn the page's guest frame number, 32 bits
    public void seed(GrantRef ref, DomId to, long gfn) {
        if (ref.value() < 0 || ref.value() >= GrantRef.RESERVED) {
            throw new IllegalArgumentException(ref + " is not reserved for the toolstack");
        }
        table.seed(ref.value(), to.value(), gfn);
    }

    /// Whether other domains use a page, so that it must not be taken from this domain.
    ///
    /// @param mfn from [GuestFrames#mfn]
    public boolean isPinned(long mfn) {
        return pins.isPinned(mfn);
    }

    /// Ends the domain's grant table after the domain and its address space: ends its own mappings and removes its
    /// meters. Pages that others have mapped stay until they unmap them; all other pages go back to the host
    /// ([GuestFrames#keepOnly]).
    ///
    /// @param released runs once no grant of the domain is in use any more: before this returns, or later on the
    ///     thread that ends the last use. Only then may the table's pages and the domain's memory be freed
    public void destroy(Runnable released) {
        mappings.endAll();
        metrics.close();
        pins.end(released);
    }

    /// Keeps others from beginning to use the domain's grants until [#release], while it is saved: mappings and copies
    /// answer `EAGAIN`, on which Linux tries again. When it returns true, no such operation is under way. Uses that had
    /// begun, such as mappings, go on. The domain's vCPUs stand still.
    ///
    /// @param limit how long to wait for operations under way
    /// @return false if some are still under way; then nothing is held
    public boolean hold(Duration limit) throws InterruptedException {
        pins.hold();
        boolean still = false;
        try {
            long deadline = System.nanoTime() + limit.toNanos();
            still = pins.isStill(table.frames());
            while (!still && deadline - System.nanoTime() > 0) {
                TimeUnit.MICROSECONDS.sleep(HOLD_POLL_MICROS);
                still = pins.isStill(table.frames());
            }
            return still;
        } finally {
            if (!still) {
                pins.release();
            }
        }
    }

    /// Undoes [#hold].
    public void release() {
        pins.release();
    }

    /// The table's state. If the domain runs, which is good enough for an operator, each entry's state is of another
    /// moment.
    public GrantTableState save() {
        int frames = table.frames();
        List<GrantTableState.Mapped> mapped = new ArrayList<>();
        for (int block = 0; block < frames; block++) {
            pins.save(block, mapped);
        }
        return new GrantTableState(domId, table.version(), limits, frames, mapped, mappings.save());
    }

    /// Names the domain's pages that others may write at any time, because they have them mapped. A page may be named
    /// more than once.
    ///
    /// @param mfns called with a lock held: must neither call back nor wait
    public void writableByOthers(LongConsumer mfns) {
        for (int block = 0; block < table.frames(); block++) {
            pins.writable(block, mfns);
        }
    }

    /// The grant table of a saved domain. `environment` provides its pages with their old content. Back ends take
    /// over their mappings with [BackendMappings#adopt], domains with [#reattach].
    ///
    /// @throws IllegalArgumentException if the state contradicts itself
    public static GrantTable restore(
            GrantTableState state, GrantEnvironment environment, GrantTableMetrics metrics) {
        require(state.version() >= 1 && state.version() <= state.limits().maxGrantVersion(), state);
        require(state.frames() <= state.limits().maxGrantFrames(), state);
        GrantTable table = new GrantTable(state.domId(), state.limits(), environment, metrics);
        table.table.restore(state.version(), state.frames());
        for (GrantTableState.Mapped mapped : state.mappings()) {
            require(isCount(mapped.readers()) && isCount(mapped.writers()), mapped);
            int uses = mapped.readers() + mapped.writers();
            require(uses > 0 && table.pins.restore(mapped), mapped);
            int user = mapped.mapper().value();
            table.restored.add(mapped.ref().value(), user, mapped.readers(), mapped.writers());
            metrics.mapped(uses);
        }
        table.toReattach.addAll(state.tracked());
        return table;
    }

    private static boolean isCount(int pins) {
        return pins >= 0 && pins <= ActiveEntries.MAX_PINS;
    }

    /// Makes again the mappings that this domain had when it was saved. The granting domains must exist already.
    ///
    /// @return the number of mappings that could not be made: the granting domain is gone, or its state has no such
    ///     mapping
    public int reattach() {
        int lost = 0;
        for (GrantTableState.Tracked tracked : toReattach) {
            if (!mappings.restore(tracked, domains.find(tracked.granter()))) {
                lost++;
            }
        }
        toReattach.clear();
        mappings.restored();
        return lost;
    }

    /// Ends the uses by a domain that had mapped grants when this domain was saved, and that has not come back.
    public void abandon(DomId user) {
        for (RestoredPins.Use use : restored.takeAll(user.value())) {
            pins.unpin(use.ref(), use.readOnly());
            metrics.mapped(-1);
        }
    }

    private boolean isSelf(DomId id) {
        return id.equals(DomId.SELF) || id.equals(domId);
    }

    private static void require(boolean consistent, Object saved) {
        if (!consistent) {
            throw new IllegalArgumentException("inconsistent saved grant table: " + saved);
        }
    }
}
