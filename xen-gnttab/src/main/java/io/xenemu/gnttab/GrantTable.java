package io.xenemu.gnttab;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;

/// The grant table of one domain and its mappings of what others grant: `HYPERVISOR_grant_table_op` for HVM and PVH guests
/// (`xen/include/public/grant_table.h`). To such Xen refuses `transfer`, `dump_table`, `unmap_and_replace`,
/// `get_status_frames` and `cache_flush` as if there were none (`ENOSYS`).
///
/// Every method may be called from any thread. Growing and changing the version take a lock of the table, everything else
/// one of 512 entries; no thread holds locks of two domains. Only the interfaces that say so are called with a lock held.
public final class GrantTable {
    /// Bit of the index of `XENMEM_add_to_physmap` that means a status frame (`XENMAPIDX_grant_table_status`).
    private static final long STATUS_INDEX = 0x8000_0000L;

    private final DomId domId;
    private final GrantLimits limits;
    private final Domains domains;
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

    RestoredPins restored() {
        return restored;
    }

    /// What it may have.
    public GrantLimits limits() {
        return limits;
    }

    /// The service's own mappings of what the domain grants.
    public BackendMappings backend() {
        return backend;
    }

    /// A new `GNTTABOP_copy` by this domain, for one vCPU.
    public GrantCopy newCopy() {
        return new GrantCopy(domId, pins, domains, metrics);
    }

    /// `GNTTABOP_map_grant_ref`, one of a batch.
    ///
    /// @param hostAddr the guest-physical address where the page is to be; of the page, that is: the lower bits do not count
    /// @param flags `GNTMAP_*`
    /// @param ref the entry (`grant_ref_t`), unsigned; not an object, so that a mapping costs none
    /// @param dom who grants; not `DOMID_SELF`
    /// @param result filled if `OKAY`
    /// @return `BAD_GNTREF` no such entry, or neither a host nor a device mapping; `BAD_DOMAIN` no such domain;
    ///     `NO_SPACE` no handle is free; `BAD_PAGE` no page there, or another domain's; `GENERAL_ERROR` all else: flags that an HVM guest
    ///     cannot use, not granted (so), in use too often, no page can be at that address
    public GrantStatus mapGrantRef(long hostAddr, int flags, int ref, DomId dom, MapResult result) {
        return metrics.finished(GrantOp.MAP, mappings.map(hostAddr, flags, ref, dom, result));
    }

    /// `GNTTABOP_unmap_grant_ref`, one of a batch. With a host address of 0 nothing happens, as in Xen.
    ///
    /// @param hostAddr in the page where the mapping was made
    /// @param handle any 32 bits
    /// @return `BAD_HANDLE` no mapping; `GENERAL_ERROR` it is not at that address
    public GrantStatus unmapGrantRef(long hostAddr, int handle) {
        return metrics.finished(GrantOp.UNMAP, mappings.unmap(hostAddr, handle));
    }

    /// `GNTTABOP_setup_table`: grows the table. Where its frames are is for the caller to add.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @param count how many frames, unsigned
    /// @return as [#querySize]; `GENERAL_ERROR` more than there may be
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

    /// `GNTTABOP_query_size`: whether the caller may ask; the answer is then [#frames] and the limit.
    ///
    /// @param dom this domain, or `DOMID_SELF`
    /// @return `BAD_DOMAIN` no such domain; `PERMISSION_DENIED` it is another one
    public GrantStatus querySize(DomId dom) {
        return metrics.finished(GrantOp.QUERY_SIZE, requireSelf(dom));
    }

    private GrantStatus requireSelf(DomId dom) {
        if (isSelf(dom)) {
            return GrantStatus.OKAY;
        }
        return domains.find(dom) == null ? GrantStatus.BAD_DOMAIN : GrantStatus.PERMISSION_DENIED;
    }

    /// Pages of entries in use.
    public int frames() {
        return table.frames();
    }

    /// Pages of status words in use: none in version 1.
    public int statusFrames() {
        return table.statusFrames();
    }

    /// `GNTTABOP_set_version`. Whatever the outcome, the argument's version field is to hold [#version] afterwards.
    ///
    /// @throws XenError `EINVAL` unless 1 or 2; `ENOSYS` for 2 if the domain may not; `EBUSY` if an entry is in use beyond
    ///     the first 8, which stay; `ERANGE` from 2 to 1 if one of those cannot be expressed
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
    /// @throws XenError `ESRCH` no such domain; `EPERM` it is another one
    public int getVersion(DomId dom) throws XenError {
        if (!isSelf(dom)) {
            throw metrics.failed(
                    GrantOp.GET_VERSION,
                    domains.find(dom) == null ? XenError.ESRCH : XenError.EPERM);
        }
        metrics.succeeded(GrantOp.GET_VERSION);
        return table.version();
    }

    /// The version in force.
    public int version() {
        return table.version();
    }

    /// `GNTTABOP_swap_grant_ref`, one of a batch.
    ///
    /// @return `BAD_GNTREF` no such entry; `EAGAIN` one is in use
    public GrantStatus swapGrantRef(GrantRef a, GrantRef b) {
        return metrics.finished(GrantOp.SWAP, table.swap(a.value(), b.value()));
    }

    /// The page that `XENMEM_add_to_physmap` puts into the guest's address space for `XENMAPSPACE_grant_table`. The table
    /// grows as far as it has to.
    ///
    /// @param index all 64 bits of `idx`; with `XENMAPIDX_grant_table_status` it means a status frame in version 2
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

    /// Grants a page in the guest's name before it runs, as the toolstack does for the console and XenStore pages.
    ///
    /// @param ref one of the reserved references
    /// @param to who may map it
    /// @param gfn the page's guest frame number, 32 bits
    public void seed(GrantRef ref, DomId to, long gfn) {
        if (ref.value() < 0 || ref.value() >= GrantRef.RESERVED) {
            throw new IllegalArgumentException(ref + " is not reserved for the toolstack");
        }
        table.seed(ref.value(), to.value(), gfn);
    }

    /// Whether others have a page in use, so that it must not be taken from the domain.
    ///
    /// @param mfn from [GuestFrames#mfn]
    public boolean isPinned(long mfn) {
        return pins.isPinned(mfn);
    }

    /// The domain is gone, and with it its address space: its mappings end, and its meters are removed. What others have mapped of
    /// it stays as it is until they unmap it; all other pages are given back ([GuestFrames#keepOnly]).
    ///
    /// @param released runs once nothing that the domain granted is in use any more, perhaps at once, else in whatever
    ///     thread ends the last use: only then may the table's pages and the domain's memory go
    public void destroy(Runnable released) {
        mappings.endAll();
        metrics.close();
        pins.end(released);
    }

    /// The table's state. The domain's vCPUs are stopped.
    public GrantTableState save() {
        int frames = table.frames();
        List<GrantTableState.Mapped> mapped = new ArrayList<>();
        for (int block = 0; block < frames; block++) {
            pins.save(block, mapped);
        }
        return new GrantTableState(domId, table.version(), limits, frames, mapped, mappings.save());
    }

    /// The grant table of a saved domain, whose pages `environment` gives with their old content. Back ends that had pages
    /// mapped take them over by [BackendMappings#adopt], domains by [#reattach].
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

    /// Makes the mappings again that this domain had when it was saved. The domains that grant them are there.
    ///
    /// @return how many could not be made: whoever granted them is gone, or no longer knows of them
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

    /// Ends the uses by a domain that this domain was saved with and that has not come back.
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
