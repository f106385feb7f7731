package io.xenemu.core.domain;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.memory.DeadMemory;
import io.xenemu.core.memory.DomainFrames;
import io.xenemu.core.memory.DomainMemory;
import io.xenemu.core.memory.DomainPhysmap;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.memory.MemoryStateCodec;
import io.xenemu.core.memory.RamLog;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.vm.VmPort;
import io.xenemu.gnttab.GrantEnvironment;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.gnttab.GrantTableCodec;
import io.xenemu.gnttab.GrantTableMetrics;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.gnttab.TableFrame;
import io.xenemu.gnttab.TablePages;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// A domain's pages: its memory, and the grants that let other domains use them. They end together, since a page that
/// another domain uses outlives its owner.
public final class DomainPages implements AutoCloseable {
    private final DomainEnvironment environment;
    private final DomainConfig config;
    private final DomainResources resources;
    private final SpecialPages special;
    private final DomainMemory memory;
    private final DomainFrames frames;
    private final DomainPhysmap physmap;
    private final GrantTable grantTable;
    private final Runnable meters;

    /// Frees the memory, which others may still use when the domain is gone.
    private final Teardown remains = new Teardown();

    /// @param origin gives the first contents of the pages, and their mappings by other domains
    DomainPages(DomainOrigin origin, GuestMemoryMap map, VmPort vm, DomainEnvironment environment) {
        this.environment = environment;
        this.config = origin.config();
        MeterRegistry registry = environment.registry();
        int grantFrames = config.grants().maxGrantFrames();
        int statusFrames = config.grants().maxStatusFrames();
        try {
            resources =
                    DomainResources.open(
                            environment.resources(),
                            config.vcpus(),
                            SpecialPages.grantFrame(grantFrames) + statusFrames);
            remains.add(resources::close);
            special = new SpecialPages("xen-special-" + config.name(), grantFrames, statusFrames);
            remains.add(special::close);
            memory =
                    new DomainMemory(
                            vm,
                            config.name(),
                            map,
                            config.memoryBytes(),
                            special,
                            resources.mappings(),
                            environment.resources().holes(),
                            origin.ramFile().orElse(null));
            frames = new DomainFrames(memory, environment.resources());
            physmap = new DomainPhysmap(memory, this::isInUse);
            remains.add(frames::freed);
            remains.add(memory::close);
            // First: the grant table and FIFO event channels look at pages when they are made. RAM
            // before the pages that cover it: its mappings are whole then.
            switch (origin) {
                case DomainOrigin.Boot _, DomainOrigin.Attached _ -> {}
                case DomainOrigin.Saved saved -> {
                    saved.ram().fill(memory);
                    memory.restore(saved.state().memory());
                }
                case DomainOrigin.Imported imported -> {
                    imported.ram().fill(memory);
                    memory.restore(imported.memory());
                }
            }
            grantTable = newGrantTable(origin);
            meters = resources.register(registry, origin.id());
        } catch (RuntimeException | Error e) {
            remains.closeAfter(e);
            throw e;
        }
    }

    private GrantTable newGrantTable(DomainOrigin origin) {
        GrantEnvironment grants =
                new GrantEnvironment(environment.grants(), new GrantPages(), frames, physmap);
        GrantTableMetrics metrics = new GrantTableMetrics(environment.registry(), origin.id());
        if (origin instanceof DomainOrigin.Saved saved) {
            return GrantTable.restore(saved.state().grants(), grants, metrics);
        }
        GrantTable table = new GrantTable(origin.id(), config.grants(), grants, metrics);
        table.seed(GrantRef.CONSOLE, DomId.DOM0, GuestMemoryMap.CONSOLE_GFN);
        table.seed(GrantRef.XENSTORE, DomId.DOM0, GuestMemoryMap.XENSTORE_GFN);
        return table;
    }

    private final class GrantPages implements TablePages {
        @Override
        public MemorySegment grantFrame(int index) {
            return special.page(SpecialPages.grantFrame(index));
        }

        @Override
        public MemorySegment statusFrame(int index) {
            return special.page(special.statusFrame(index));
        }

        @Override
        public void removeStatusFrames() {
            for (int i = 0; i < config.grants().maxStatusFrames(); i++) {
                physmap.hide(special.statusFrame(i));
            }
        }
    }

    SpecialPages special() {
        return special;
    }

    DomainMemory memory() {
        return memory;
    }

    GrantTable grantTable() {
        return grantTable;
    }

    DomainResources resources() {
        return resources;
    }

    /// XENMAPSPACE_grant_table: shows a frame of the grant table at `gfn`, and grows the table to include it.
    ///
    /// @param index all 64 bits of `idx`
    /// @throws XenError EINVAL beyond the table's limit, for an impossible frame, or for a status frame that another
    ///     vCPU removes by changing the version
    public void mapGrantFrame(long index, long gfn) throws XenError {
        TableFrame frame = grantTable.frame(index);
        int page =
                frame.isStatus()
                        ? special.statusFrame(frame.index())
                        : SpecialPages.grantFrame(frame.index());
        show(page, gfn);
        // Another vCPU may have changed to version 1 meanwhile, and found no frame to remove.
        if (frame.isStatus() && frame.index() >= grantTable.statusFrames()) {
            physmap.hide(page);
            throw XenError.EINVAL;
        }
    }

    /// Shows special page `page` at a guest frame, as [DomainPhysmap#overlay].
    void show(int page, long gfn) throws XenError {
        physmap.overlay(page, gfn);
    }

    /// Removes special page `page`, as [DomainPhysmap#hide].
    void hide(int page) {
        physmap.hide(page);
    }

    /// XENMAPSPACE_gmfn: moves the page at a frame to another one, as [DomainPhysmap#move]. Not for shared_info.
    public void move(long from, long to) throws XenError {
        physmap.move(from, to);
    }

    /// The guest frame of grant frame `index`, or -1.
    public long grantFrameGfn(int index) {
        return memory.overlayOf(SpecialPages.grantFrame(index));
    }

    /// XENMEM_decrease_reservation: takes pages from the guest. Pages that others use through grants stay for them,
    /// as the frames do on Xen until they are freed.
    ///
    /// @return false if a page is missing; those before it have been taken
    public boolean decreaseReservation(long gfn, int count) {
        return physmap.decrease(gfn, count);
    }

    /// XENMEM_populate_physmap: puts zeroed pages of RAM at frames.
    ///
    /// @return false if that is not possible; then nothing has happened
    public boolean populatePhysmap(long gfn, int count) {
        return physmap.populate(gfn, count);
    }

    /// XENMEM_increase_reservation: lets the domain own more pages.
    ///
    /// @return false if it may not own that many
    public boolean increaseReservation(int count) {
        return memory.increase(count);
    }

    /// XENMEM_remove_from_physmap.
    ///
    /// @throws XenError ENOENT if neither a page of the domain's nor of Xen's is at `gfn`
    public void removeFromPhysmap(long gfn) throws XenError {
        if (!physmap.removeAt(gfn)) {
            throw XenError.ENOENT;
        }
    }

    /// The highest machine frame number that a page of any guest has (XENMEM_maximum_ram_page).
    public long highestMfn() {
        return environment.resources().machineFrames().highest();
    }

    /// Whether other domains use one of the domain's pages.
    private boolean isInUse(long page) {
        return grantTable.isPinned(frames.mfnOf(page));
    }

    /// Begins a log of the pages of RAM that are written from now on.
    public RamLog logWrites() {
        return RamLog.begin(memory, frames, grantTable);
    }

    /// The memory's answer to a save. Pages of other domains are the grants' blocker.
    PartState saveMemory() {
        return new PartState.Saved(
                MemoryStateCodec.TYPE,
                MemoryStateCodec.VERSION,
                MemoryStateCodec.encode(memory.save()));
    }

    /// The reason for which its memory cannot be saved.
    Optional<String> memoryBlocker() {
        return memory.blocker();
    }

    /// The reason for which its grants cannot be saved: a mapping between two guests ends when one of them ends. A
    /// guest that has suspended itself grants its pages anew.
    Optional<String> grantBlocker(SaveScope scope) {
        GrantTableState state = grantTable.save();
        Optional<DomId> user =
                state.mappings().stream()
                        .map(GrantTableState.Mapped::mapper)
                        .filter(mapper -> !mapper.equals(DomId.DOM0) && !scope.has(mapper))
                        .findFirst();
        if (user.isPresent() && !scope.isSuspended()) {
            return Optional.of(user.get() + " maps pages of it");
        }
        return state.tracked().stream()
                .map(GrantTableState.Tracked::granter)
                .filter(granter -> !scope.has(granter))
                .findFirst()
                .map(granter -> "it maps pages of " + granter);
    }

    /// The grant table's answer to a save.
    PartState saveGrants() {
        return new PartState.Saved(
                GrantTableCodec.TYPE,
                GrantTableCodec.VERSION,
                GrantTableCodec.encode(grantTable.save()));
    }

    /// Frees the pages, except those that other domains use: these are freed with their last use. Ends the domain's own
    /// use of other domains' pages. The VM is closed.
    @Override
    public void close() {
        meters.run();
        memory.endGuest();
        resources.guestEnded();
        Thread ending = Thread.currentThread();
        DeadMemory dead = environment.resources().deadMemory();
        grantTable.destroy(() -> {
            if (Thread.currentThread().equals(ending)) {
                remains.close();
            } else {
                dead.later(remains::close);
            }
        });
    }
}
