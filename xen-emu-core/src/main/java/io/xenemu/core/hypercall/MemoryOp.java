package io.xenemu.core.hypercall;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.MemoryStructs.AddToPhysmap;
import io.xenemu.kvm.abi.xen.MemoryStructs.E820Entry;
import io.xenemu.kvm.abi.xen.MemoryStructs.MemoryMap;
import io.xenemu.kvm.abi.xen.MemoryStructs.RemoveFromPhysmap;
import io.xenemu.kvm.abi.xen.MemoryStructs.Reservation;
import java.util.List;

/// `memory_op` (12): where special pages appear, and the guest's memory map. `xen/include/public/memory.h`.
final class MemoryOp {
    /// The upper bits of the command are where a preempted batch goes on (`MEMOP_EXTENT_SHIFT`). Nothing here is preempted: a
    /// vCPU that is in a batch does what others ask of it between two extents, and they go on.
    private static final int COMMAND_MASK = 0x3f;

    /// Extents of up to 2 MiB, as Xen allows a guest (`domU_max_order`).
    private static final int MAX_ORDER = 9;

    /// More pages than any guest has: bounds a call.
    private static final long MAX_EXTENTS = 1L << 26;

    private static final int SPACE_SHARED_INFO = 0;
    private static final int SPACE_GRANT_TABLE = 1;
    private static final int SPACE_GMFN_FOREIGN = 4;
    private static final int SPACE_DEV_MMIO = 5;

    private MemoryOp() {}

    static HypercallFamily family() {
        return HypercallFamily.masked("memory_op", 12, COMMAND_MASK)
                .op(1, "decrease_reservation", c -> extents(c, Domain::discard))
                .op(3, "current_reservation", MemoryOp::reservation)
                .op(4, "maximum_reservation", MemoryOp::reservation)
                .op(6, "populate_physmap", c -> extents(c, MemoryOp::isPlainRam))
                .op(7, "add_to_physmap", MemoryOp::addToPhysmap)
                .op(9, "memory_map", MemoryOp::memoryMap)
                .op(15, "remove_from_physmap", MemoryOp::removeFromPhysmap);
    }

    private interface ExtentChange {
        boolean apply(Domain domain, long gfn, int count);
    }

    private static boolean isPlainRam(Domain domain, long gfn, int count) {
        return domain.memory().isPlainRam(gfn, count);
    }

    /// Applies a change to each extent of a list of frame numbers, up to the first that fails; answers how many succeeded.
    private static long extents(HypercallContext c, ExtentChange change) throws XenError {
        var argument = c.argument();
        argument.copyIn(Reservation.STRUCT, c.word(1));
        long order = argument.get(Reservation.EXTENT_ORDER);
        long count = argument.get(Reservation.NR_EXTENTS);
        long list = argument.get(Reservation.EXTENT_START);
        if (order > MAX_ORDER || Long.compareUnsigned(count, MAX_EXTENTS) > 0) {
            return 0;
        }
        c.domain().requireSelf(argument.get(Reservation.DOMID));
        int width = c.width().bytes();
        for (long done = 0; done < count; done++) {
            boolean changed;
            try {
                long gfn = argument.linear().readUlong(list + done * width);
                changed = change.apply(c.domain(), gfn, 1 << order);
            } catch (XenError e) {
                changed = false;
            }
            if (!changed || c.vcpu().isStopping()) {
                return done;
            }
            c.vcpu().serveMailbox();
        }
        return count;
    }

    /// Both answers are the domain's RAM in pages, balloon or not.
    private static long reservation(HypercallContext c) throws XenError {
        c.domain().requireSelf(c.argument().linear().read16(c.word(1)));
        return c.domain().config().memoryBytes() / GuestMemoryMap.PAGE_SIZE;
    }

    private static long addToPhysmap(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(AddToPhysmap.STRUCT, c.word(1));
        Domain domain = c.domain();
        domain.requireSelf(argument.get(AddToPhysmap.DOMID));
        long index = argument.get(AddToPhysmap.IDX);
        long gfn = argument.get(AddToPhysmap.GPFN);
        switch (Math.toIntExact(Math.min(argument.get(AddToPhysmap.SPACE), Integer.MAX_VALUE))) {
            case SPACE_SHARED_INFO -> domain.mapSharedInfo(index, gfn);
            case SPACE_GRANT_TABLE -> domain.mapGrantFrame(index, gfn);
            case SPACE_GMFN_FOREIGN, SPACE_DEV_MMIO -> throw XenError.EPERM;
            default -> throw XenError.EINVAL;
        }
        return 0;
    }

    private static long removeFromPhysmap(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(RemoveFromPhysmap.STRUCT, c.word(1));
        c.domain().requireSelf(argument.get(RemoveFromPhysmap.DOMID));
        c.domain().removeFromPhysmap(argument.get(RemoveFromPhysmap.GPFN));
        return 0;
    }

    /// As Xen: a buffer that is too small gets what fits, and the number of entries that there are is not told.
    private static long memoryMap(HypercallContext c) throws XenError {
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
