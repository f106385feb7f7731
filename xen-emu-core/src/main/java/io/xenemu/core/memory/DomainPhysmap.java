package io.xenemu.core.memory;

import io.xenemu.gnttab.GuestFrames;
import io.xenemu.gnttab.Physmap;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.MemFd;
import java.util.function.LongPredicate;

/// Changes of the page that a guest has at a frame: special pages, pages of other domains, and its own RAM. Each change
/// holds the monitor of the domain's [DomainMemory], and asks the grant table below it whether a page is in use.
public final class DomainPhysmap implements Physmap {
    private final DomainMemory memory;
    private final LongPredicate inUse;

    /// @param inUse whether others use the page of that number, which then stays for them; called with the monitor held
    public DomainPhysmap(DomainMemory memory, LongPredicate inUse) {
        this.memory = memory;
        this.inUse = inUse;
    }

    // Special pages.

    /// Shows special page `page` at guest frame `gfn` and nowhere else, as Xen does when a mapped page is added to
    /// the physmap again. If that fails, the page stays where it is.
    ///
    /// @param gfn any 64 bits
    /// @throws XenError EINVAL no page can be there (beyond the guest's address width, or where KVM has a device);
    ///     ENXIO the guest maps a foreign page there; ENOMEM too many places
    public void overlay(int page, long gfn) throws XenError {
        synchronized (memory) {
            requirePlace(gfn);
            memory.special.overlay(page, gfn, inUse);
        }
    }

    /// Checks that a frame can get a page of the domain's.
    private void requirePlace(long gfn) throws XenError {
        synchronized (memory) {
            if (!AddressSpace.isPossible(gfn)) {
                throw XenError.EINVAL;
            }
            if (memory.foreign.isAt(gfn)) {
                throw XenError.ENXIO;
            }
        }
    }

    /// Removes special page `page` from the guest's address space.
    public void hide(int page) {
        synchronized (memory) {
            memory.special.hide(page);
        }
    }

    // Pages of other domains.

    @Override
    public boolean place(long gfn, GuestFrames owner, long mfn, int count, boolean readOnly) {
        // All domains of the service are of this kind, except domain 0, which grants nothing.
        if (!(owner instanceof DomainFrames frames) || !frames.areInOneFile(mfn, count)) {
            return false;
        }
        frames.await(mfn, count);
        return place(gfn, mfn, count, frames.file(mfn), frames.offset(mfn), readOnly);
    }

    /// Shows pages of another domain at guest frames. They cover the frames' own pages until they are removed, and
    /// remove any other pages there for good.
    ///
    /// @param gfn the first frame, any 64 bits
    /// @param mfn the first page's machine frame number
    /// @param count the number of pages, at least 1
    /// @param file the pages' memory, which does not change until [#remove]
    /// @param offset of the first page in it
    /// @return false if no page can be at one of the frames, or a foreign page is there already, or the frames are not
    ///     in one range, or there are too many pages. Then nothing is shown
    boolean place(long gfn, long mfn, int count, MemFd file, long offset, boolean readOnly) {
        synchronized (memory) {
            return memory.foreign.place(gfn, mfn, count, file, offset, readOnly, inUse);
        }
    }

    @Override
    public boolean remove(long gfn, long[] mfns, int count) {
        synchronized (memory) {
            return memory.foreign.remove(gfn, mfns, count);
        }
    }

    // The domain's own RAM.

    /// Takes consecutive pages out of the address space, up to the first that is missing or belongs to another domain
    /// (XENMEM_decrease_reservation). Their memory goes back to the host; the guest reads zeros there until it
    /// populates them again, where Xen would leave a hole.
    ///
    /// @param gfn any 64 bits
    /// @return whether all were taken
    public boolean decrease(long gfn, int count) {
        synchronized (memory) {
            for (int i = 0; i < count; i++) {
                if (!memory.placement.take(gfn + i, true, inUse)) {
                    return false;
                }
            }
            return true;
        }
    }

    /// Removes the page at `gfn` from the address space (XENMEM_remove_from_physmap). A page of RAM is still owned by
    /// the domain.
    ///
    /// @param gfn any 64 bits
    /// @return false if no page is there, or a page of another domain
    public boolean removeAt(long gfn) {
        synchronized (memory) {
            return memory.special.evict(gfn) || memory.placement.take(gfn, false, inUse);
        }
    }

    /// Puts zeroed pages of RAM at frames, and replaces the pages there, which the domain still owns
    /// (XENMEM_populate_physmap). A frame gets a spare page if it has no page of its own, or if others use that page.
    ///
    /// @param gfn any 64 bits
    /// @return false if nothing has happened: a frame can have no page, or has another domain's page; the domain may
    ///     not own that many; or the host has not enough
    public boolean populate(long gfn, int count) {
        synchronized (memory) {
            return memory.placement.populate(gfn, count, inUse);
        }
    }

    /// Moves a page of RAM or a special page from one frame to another (XENMAPSPACE_gmfn). The page that was there is
    /// given up, as by [#overlay]. The guest still sees the page at its home too, where Xen has a hole.
    ///
    /// @param from any 64 bits
    /// @param to any 64 bits
    /// @throws XenError EACCES there is no page of the domain's at `from`, or one of the fixed special pages; the
    ///     errors of [#overlay]
    public void move(long from, long to) throws XenError {
        synchronized (memory) {
            Integer overlaid = memory.special.at(from);
            if (overlaid != null) {
                overlay(overlaid, to);
                return;
            }
            long page = memory.pageAt(from);
            if (page < 0 || !memory.numbers().isRam(page)) {
                throw XenError.EACCES;
            }
            requirePlace(to);
            if (from != to) {
                memory.placement.move(Math.toIntExact(page), from, to, inUse);
            }
        }
    }
}
