package io.xenemu.core.hypercall;

import io.xenemu.core.domain.DomainPages;
import io.xenemu.core.domain.ReportedMemoryMap;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.MemoryStructs.E820Entry;
import io.xenemu.kvm.abi.xen.MemoryStructs.ForeignMemoryMap;
import io.xenemu.kvm.abi.xen.MemoryStructs.MachphysMfnList;
import io.xenemu.kvm.abi.xen.MemoryStructs.MemoryMap;
import io.xenemu.kvm.abi.xen.MemoryStructs.RemoveFromPhysmap;
import io.xenemu.kvm.abi.xen.MemoryStructs.Reservation;
import io.xenemu.kvm.abi.xen.MemoryStructs.ReservedDeviceMemoryMap;
import java.util.ArrayList;
import java.util.List;

/// `memory_op` (12): the guest's pages, the frames of special pages, and its memory map.
/// `xen/include/public/memory.h`.
final class MemoryOp {
    /// The upper bits of the command are the extent at which a preempted batch continues (`MEMOP_EXTENT_SHIFT`). A
    /// guest may set them too.
    private static final int EXTENT_SHIFT = 6;

    private static final int COMMAND_MASK = (1 << EXTENT_SHIFT) - 1;

    /// Extents of up to 2 MiB, as Xen allows a guest (`domU_max_order`).
    static final int MAX_ORDER = 9;

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

    /// `XENMEM_RDM_ALL`, the only flag of reserved_device_memory_map.
    private static final int RDM_ALL = 1;

    private MemoryOp() {}

    static HypercallFamily family() {
        return HypercallFamily.masked("memory_op", 12, COMMAND_MASK)
                .op(INCREASE_RESERVATION, "increase_reservation", MemoryOp::increaseReservation)
                .op(DECREASE_RESERVATION, "decrease_reservation", MemoryOp::decreaseReservation)
                .op(2, "maximum_ram_page", MemoryOp::maximumRamPage)
                .op(3, "current_reservation", MemoryOp::currentReservation)
                .op(4, "maximum_reservation", MemoryOp::maximumReservation)
                .op(5, "machphys_mfn_list", MemoryOp::machphysMfnList)
                .op(POPULATE_PHYSMAP, "populate_physmap", MemoryOp::populatePhysmap)
                .op(PhysmapAddition.COMMAND, "add_to_physmap", PhysmapAddition::one)
                .op(9, "memory_map", MemoryOp::memoryMap)
                .op(10, "machine_memory_map", RefusedMemoryOps.MACHINE_MEMORY_MAP)
                .op(11, "exchange", MemoryExchange::exchange)
                .absent(12, "machphys_mapping")
                .op(13, "set_memory_map", MemoryOp::setMemoryMap)
                .op(14, "maximum_gpfn", MemoryOp::maximumGpfn)
                .op(15, "remove_from_physmap", MemoryOp::removeFromPhysmap)
                .op(16, "set_pod_target", RefusedMemoryOps.POD_TARGET)
                .op(17, "get_pod_target", RefusedMemoryOps.POD_TARGET)
                .op(18, "get_sharing_freed_pages", RefusedMemoryOps.NO_SHARING)
                .op(19, "get_sharing_shared_pages", RefusedMemoryOps.NO_SHARING)
                .absent(20, "paging_op")
                .op(21, "access_op", RefusedMemoryOps.ACCESS)
                .absent(22, "sharing_op")
                .op(PhysmapAddition.BATCH, "add_to_physmap_batch", PhysmapAddition::batch)
                .op(24, "claim_pages", RefusedMemoryOps.CLAIM_PAGES)
                .op(25, "machphys_compat_mfn_list", RefusedMemoryOps.MACHPHYS_COMPAT_MFN_LIST)
                .op(26, "get_vnumainfo", RefusedMemoryOps.VNUMA_INFO)
                .op(27, "reserved_device_memory_map", MemoryOp::reservedDeviceMemoryMap)
                .op(28, "acquire_resource", RefusedMemoryOps.ACQUIRE_RESOURCE);
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
    /// @param done the number of extents done so far
    static long continued(HypercallContext c, int command, long done) {
        c.setParameter(0, done << EXTENT_SHIFT | command);
        return HypercallContext.CONTINUED;
    }

    /// Checks that an operation that cannot be interrupted does not ask to continue.
    static void requireWhole(HypercallContext c, XenError error) throws XenError {
        if (start(c) != 0) {
            throw error;
        }
    }

    /// Checks that a part of a list of `unsigned long` can be read, as Xen does when it translates a 32-bit list.
    ///
    /// @param first the index of the first element
    /// @param end the index behind the last one; the part has no more elements than two pages
    static void requireUlongs(HypercallContext c, long list, long first, long end) throws XenError {
        for (long i = first; i < end; i++) {
            c.argument().linear().readUlong(list + i * c.width().bytes());
        }
    }

    /// Applies a change to each extent of a list of frame numbers, up to the first that fails. Whatever the failure,
    /// the result is the number of extents done. If the call is to end early between two extents, the guest makes
    /// another call for the rest.
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
        while (done < count) {
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
        boolean onDemand = command == POPULATE_PHYSMAP && (flags & POPULATE_ON_DEMAND) != 0;
        return (addressBits == 0 || addressBits > PAGE_SHIFT) && !namesNode(flags) && !onDemand;
    }

    /// Whether the flags ask for one node of the host and no other.
    static boolean namesNode(long flags) {
        return (flags & NODE) != 0 && (flags & (EXACT_NODE | VIRTUAL_NODE)) == EXACT_NODE;
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

    /// The highest machine frame number that a page of any guest has.
    private static long maximumRamPage(HypercallContext c) throws XenError {
        requireWhole(c, XenError.EINVAL);
        return c.domain().pages().highestMfn();
    }

    private static long maximumGpfn(HypercallContext c) throws XenError {
        requireSelf(c);
        return c.domain().memory().highestGfn();
    }

    /// Lists the pages of the table from machine frames to guest frames. There is no such table, so the list is empty.
    /// 32-bit callers are refused, since their list is for PV guests.
    private static long machphysMfnList(HypercallContext c) throws XenError {
        requireWhole(c, XenError.ENOSYS);
        if (c.width() == GuestWidth.BITS_32) {
            throw XenError.EOPNOTSUPP;
        }
        var argument = c.argument();
        argument.copyIn(MachphysMfnList.STRUCT, c.word(1));
        argument.set(MachphysMfnList.NR_EXTENTS, 0);
        argument.copyOut(MachphysMfnList.STRUCT, c.word(1));
        return 0;
    }

    /// Lists reserved device memory. The list is empty: no device has memory of its own at a fixed place.
    private static long reservedDeviceMemoryMap(HypercallContext c) throws XenError {
        requireWhole(c, XenError.EINVAL);
        var argument = c.argument();
        argument.copyIn(ReservedDeviceMemoryMap.STRUCT, c.word(1));
        if (argument.get(ReservedDeviceMemoryMap.FLAGS) > RDM_ALL) {
            throw XenError.EINVAL;
        }
        argument.set(ReservedDeviceMemoryMap.NR_ENTRIES, 0);
        argument.copyOut(ReservedDeviceMemoryMap.STRUCT, c.word(1));
        return 0;
    }

    private static long removeFromPhysmap(HypercallContext c) throws XenError {
        var argument = c.argument();
        // Xen copies a 32-bit caller's structure first.
        if (c.width() == GuestWidth.BITS_32) {
            argument.copyIn(RemoveFromPhysmap.STRUCT, c.word(1));
        }
        requireWhole(c, XenError.EINVAL);
        if (c.width() == GuestWidth.BITS_64) {
            argument.copyIn(RemoveFromPhysmap.STRUCT, c.word(1));
        }
        c.domain().requireSelf(argument.get(RemoveFromPhysmap.DOMID));
        c.domain().pages().removeFromPhysmap(argument.get(RemoveFromPhysmap.GPFN));
        return 0;
    }

    /// Copies the domain's memory map out. As in Xen, a buffer that is too small gets the entries that fit, and the
    /// total number is not reported. Refused if the guest has set an empty map.
    private static long memoryMap(HypercallContext c) throws XenError {
        requireWhole(c, XenError.ENOSYS);
        var argument = c.argument();
        argument.copyIn(MemoryMap.STRUCT, c.word(1));
        List<ReportedMemoryMap.Entry> entries = c.domain().reportedMemoryMap().entries();
        if (entries.isEmpty()) {
            throw XenError.ENOSYS;
        }
        long capacity = argument.get(MemoryMap.NR_ENTRIES);
        long buffer = argument.get(MemoryMap.BUFFER);
        int count = Math.toIntExact(Math.min(capacity, entries.size()));
        for (int i = 0; i < count; i++) {
            ReportedMemoryMap.Entry entry = entries.get(i);
            argument.set(E820Entry.ADDR, entry.start());
            argument.set(E820Entry.SIZE, entry.length());
            argument.set(E820Entry.TYPE, entry.type());
            argument.copyOut(E820Entry.STRUCT, buffer, i);
        }
        argument.set(MemoryMap.NR_ENTRIES, count);
        argument.copyOut(MemoryMap.NR_ENTRIES, c.word(1));
        return 0;
    }

    private static long setMemoryMap(HypercallContext c) throws XenError {
        requireWhole(c, XenError.ENOSYS);
        var argument = c.argument();
        argument.copyIn(ForeignMemoryMap.STRUCT, c.word(1));
        long count = argument.get(ForeignMemoryMap.MAP_NR_ENTRIES);
        long buffer = argument.get(ForeignMemoryMap.MAP_BUFFER);
        if (count > ReportedMemoryMap.MAX_ENTRIES) {
            throw XenError.EINVAL;
        }
        c.domain().requireSelf(argument.get(ForeignMemoryMap.DOMID));
        List<ReportedMemoryMap.Entry> entries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            argument.copyIn(E820Entry.STRUCT, buffer, i);
            entries.add(
                    new ReportedMemoryMap.Entry(
                            argument.get(E820Entry.ADDR),
                            argument.get(E820Entry.SIZE),
                            argument.bits(E820Entry.TYPE)));
        }
        c.domain().reportedMemoryMap().set(entries);
        return 0;
    }
}
