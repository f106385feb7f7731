package io.xenemu.core.hypercall;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.DomainPages;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.MemoryStructs.E820Entry;
import io.xenemu.kvm.abi.xen.MemoryStructs.MemoryMap;
import io.xenemu.kvm.abi.xen.MemoryStructs.RemoveFromPhysmap;
import io.xenemu.kvm.abi.xen.MemoryStructs.Reservation;
import java.util.List;

/// `memory_op` (12): the guest's pages, the frames of special pages, and its memory map.
/// `xen/include/public/memory.h`.
final class MemoryOp {
    /// The upper bits of the command are the extent at which a preempted batch continues (`MEMOP_EXTENT_SHIFT`). A
    /// guest may set them too.
    private static final int EXTENT_SHIFT = 6;

    private static final int COMMAND_MASK = (1 << EXTENT_SHIFT) - 1;

    /// Extents of up to 2 MiB, as Xen allows a guest (`domU_max_order`).
    private static final int MAX_ORDER = 9;

    /// The largest extent number that a preempted batch can continue at (`UINT_MAX >> MEMOP_EXTENT_SHIFT`).
    private static final long MAX_EXTENTS = (1L << 26) - 1;

    private static final int PAGE_SHIFT = 12;

    /// `XENMEMF_*`.
    private static final long ADDRESS_BITS = 0xff;

    private static final long NODE = 0xff00;
    private static final long POPULATE_ON_DEMAND = 1 << 16;
    private static final long EXACT_NODE = 1 << 17;
    private static final long VIRTUAL_NODE = 1 << 18;

    private static final int INCREASE_RESERVATION = 0;
    private static final int DECREASE_RESERVATION = 1;
    private static final int POPULATE_PHYSMAP = 6;

    private MemoryOp() {}

    static HypercallFamily family() {
        return HypercallFamily.masked("memory_op", 12, COMMAND_MASK)
                .op(INCREASE_RESERVATION, "increase_reservation", MemoryOp::increaseReservation)
                .op(DECREASE_RESERVATION, "decrease_reservation", MemoryOp::decreaseReservation)
                .op(3, "current_reservation", MemoryOp::currentReservation)
                .op(4, "maximum_reservation", MemoryOp::maximumReservation)
                .op(POPULATE_PHYSMAP, "populate_physmap", MemoryOp::populatePhysmap)
                .op(PhysmapAddition.COMMAND, "add_to_physmap", PhysmapAddition::one)
                .op(9, "memory_map", MemoryOp::memoryMap)
                .op(14, "maximum_gpfn", MemoryOp::maximumGpfn)
                .op(15, "remove_from_physmap", MemoryOp::removeFromPhysmap)
                .op(PhysmapAddition.BATCH, "add_to_physmap_batch", PhysmapAddition::batch);
    }

    private static long increaseReservation(HypercallContext c) {
        return extents(
                c, INCREASE_RESERVATION, (pages, _, count) -> pages.increaseReservation(count));
    }

    private static long decreaseReservation(HypercallContext c) {
        return extents(c, DECREASE_RESERVATION, DomainPages::decreaseReservation);
    }

    private static long populatePhysmap(HypercallContext c) {
        return extents(c, POPULATE_PHYSMAP, DomainPages::populatePhysmap);
    }

    private interface ExtentChange {
        boolean apply(DomainPages pages, long gfn, int count);
    }

    /// The extent at which an interrupted batch continues: the command's upper bits.
    static long start(HypercallContext c) {
        return c.width() == GuestWidth.BITS_64
                ? c.word(0) >>> EXTENT_SHIFT
                : (c.word(0) & 0xffff_ffffL) >>> EXTENT_SHIFT;
    }

    /// Has the guest make another call for the rest.
    ///
    /// @param done how many extents have been done
    static long continued(HypercallContext c, int command, long done) {
        c.setParameter(0, done << EXTENT_SHIFT | command);
        return HypercallContext.CONTINUED;
    }

    /// Checks that an operation that cannot be interrupted does not ask to continue.
    private static void requireWhole(HypercallContext c, XenError error) throws XenError {
        if (start(c) != 0) {
            throw error;
        }
    }

    /// Applies a change to each extent of a list of frame numbers, up to the first that fails. Whatever the failure,
    /// the result is the number of extents done. If the vCPU is to park between two extents, the guest makes another
    /// call for the rest.
    ///
    /// @param command one of the three operations on a reservation
    private static long extents(HypercallContext c, int command, ExtentChange change) {
        var argument = c.argument();
        long start = start(c);
        try {
            argument.copyIn(Reservation.STRUCT, c.word(1));
            c.domain().requireSelf(argument.get(Reservation.DOMID));
        } catch (XenError e) {
            return start;
        }
        long order = argument.get(Reservation.EXTENT_ORDER);
        long count = argument.get(Reservation.NR_EXTENTS);
        long list = argument.get(Reservation.EXTENT_START);
        if (order > MAX_ORDER
                || Long.compareUnsigned(count, MAX_EXTENTS) > 0
                || !areValid(argument.get(Reservation.MEM_FLAGS), command)) {
            return start;
        }
        int width = c.width().bytes();
        long done = start;
        while (done < count && !c.vcpu().isStopping()) {
            try {
                // XENMEM_increase_reservation ignores the list, since its pages are at no frame.
                long gfn =
                        command == INCREASE_RESERVATION
                                ? 0
                                : argument.linear().readUlong(list + done * width);
                if (!change.apply(c.domain().pages(), gfn, 1 << order)) {
                    return done;
                }
            } catch (XenError e) {
                return done;
            }
            done++;
            c.vcpu().serveMailbox();
            if (done < count && c.isPreempted()) {
                return continued(c, command, done);
            }
        }
        return done;
    }

    /// Whether a guest may request pages with these flags. It has no virtual NUMA nodes, and cannot enable
    /// populate-on-demand.
    private static boolean areValid(long flags, int command) {
        long addressBits = flags & ADDRESS_BITS;
        boolean exactNode =
                (flags & NODE) != 0 && (flags & (EXACT_NODE | VIRTUAL_NODE)) == EXACT_NODE;
        boolean onDemand = command == POPULATE_PHYSMAP && (flags & POPULATE_ON_DEMAND) != 0;
        return (addressBits == 0 || addressBits > PAGE_SHIFT) && !exactNode && !onDemand;
    }

    private static void requireSelf(HypercallContext c) throws XenError {
        requireWhole(c, XenError.EINVAL);
        c.domain().requireSelf(c.argument().linear().read16(c.word(1)));
    }

    private static long currentReservation(HypercallContext c) throws XenError {
        requireSelf(c);
        return c.domain().memory().ownedPages();
    }

    private static long maximumReservation(HypercallContext c) throws XenError {
        requireSelf(c);
        return c.domain().memory().maxPages();
    }

    private static long maximumGpfn(HypercallContext c) throws XenError {
        requireSelf(c);
        return c.domain().memory().highestGfn();
    }

    private static long removeFromPhysmap(HypercallContext c) throws XenError {
        requireWhole(c, XenError.EINVAL);
        var argument = c.argument();
        argument.copyIn(RemoveFromPhysmap.STRUCT, c.word(1));
        c.domain().requireSelf(argument.get(RemoveFromPhysmap.DOMID));
        c.domain().pages().removeFromPhysmap(argument.get(RemoveFromPhysmap.GPFN));
        return 0;
    }

    /// As in Xen, a buffer that is too small gets the entries that fit, and the total number is not reported.
    private static long memoryMap(HypercallContext c) throws XenError {
        requireWhole(c, XenError.ENOSYS);
        var argument = c.argument();
        argument.copyIn(MemoryMap.STRUCT, c.word(1));
        long capacity = argument.get(MemoryMap.NR_ENTRIES);
        long buffer = argument.get(MemoryMap.BUFFER);
        List<GuestMemoryMap.Entry> entries = c.domain().memoryMap().entries();
        int count = Math.toIntExact(Math.min(capacity, entries.size()));
        for (int i = 0; i < count; i++) {
            GuestMemoryMap.Entry entry = entries.get(i);
            argument.set(E820Entry.ADDR, entry.start());
            argument.set(E820Entry.SIZE, entry.length());
            argument.set(E820Entry.TYPE, entry.type().number());
            argument.copyOut(E820Entry.STRUCT, buffer, i);
        }
        argument.set(MemoryMap.NR_ENTRIES, count);
        argument.copyOut(MemoryMap.NR_ENTRIES, c.word(1));
        return 0;
    }
}
