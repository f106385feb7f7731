package io.xenemu.core.hypercall;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.MemoryStructs.AddToPhysmap;
import io.xenemu.kvm.abi.xen.MemoryStructs.AddToPhysmapBatch;
import io.xenemu.kvm.memory.GuestArgument;
import io.xenemu.kvm.memory.GuestStruct;

/// `XENMEM_add_to_physmap` and `XENMEM_add_to_physmap_batch`: pages at frames of the guest's choice. Checks in the
/// order of Xen's `common/memory.c`, `common/compat/memory.c` and `arch/x86/mm/p2m.c`.
final class PhysmapAddition {
    static final int COMMAND = 7;
    static final int BATCH = 23;

    /// The most that an interrupted call can have done: its count has 16 bits.
    private static final long MAX_ADDED = 0xffff;

    private static final long INVALID_GFN = -1;

    /// `XENMAPSPACE_*`.
    private static final int SPACE_SHARED_INFO = 0;

    private static final int SPACE_GRANT_TABLE = 1;
    private static final int SPACE_GMFN = 2;
    private static final int SPACE_GMFN_RANGE = 3;
    private static final int SPACE_GMFN_FOREIGN = 4;
    private static final int SPACE_DEV_MMIO = 5;

    /// Entries of a batch that Xen reads at once for a 32-bit caller, before all checks: as many as fit behind the
    /// structure into its two pages.
    private static final long NARROW_STEP = 510;

    /// Bytes of a result in a batch (`int`).
    private static final int RESULT_BYTES = 4;

    private PhysmapAddition() {}

    /// Foreign pages need the batched call; devices need the hardware domain.
    static long one(HypercallContext c) throws XenError {
        long start = copyIn(c, AddToPhysmap.STRUCT);
        var argument = c.argument();
        int space = Math.toIntExact(Math.min(argument.get(AddToPhysmap.SPACE), Integer.MAX_VALUE));
        if (space == SPACE_GMFN_FOREIGN) {
            throw XenError.ENOSYS;
        }
        Domain domain = c.domain();
        requireAllowed(domain, space, argument.get(AddToPhysmap.DOMID));
        long index = argument.get(AddToPhysmap.IDX);
        long gfn = argument.get(AddToPhysmap.GPFN);
        if (gfn == INVALID_GFN) {
            throw XenError.EINVAL;
        }
        if (space == SPACE_GMFN_RANGE) {
            return range(c, index, gfn, argument.get(AddToPhysmap.SIZE), start);
        }
        add(domain, space, index, gfn);
        return 0;
    }

    /// Copies the argument in.
    ///
    /// @return the number of pages that an interrupted call has added
    private static long copyIn(HypercallContext c, GuestStruct struct) throws XenError {
        long start = MemoryOp.start(c);
        if (c.width() == GuestWidth.BITS_32) {
            c.argument().copyIn(struct, c.word(1));
            if (struct.equals(AddToPhysmapBatch.STRUCT)) {
                requireLists(c, start);
            }
        }
        if (start > MAX_ADDED) {
            throw XenError.EDOM;
        }
        if (c.width() == GuestWidth.BITS_64) {
            c.argument().copyIn(struct, c.word(1));
        }
        return start;
    }

    private static void requireLists(HypercallContext c, long start) throws XenError {
        GuestArgument argument = c.argument();
        long end = Math.min(start + NARROW_STEP, argument.get(AddToPhysmapBatch.SIZE));
        MemoryOp.requireUlongs(c, argument.get(AddToPhysmapBatch.IDXS), start, end);
        MemoryOp.requireUlongs(c, argument.get(AddToPhysmapBatch.GPFNS), start, end);
    }

    private static void requireAllowed(Domain domain, int space, int domid) throws XenError {
        if (space == SPACE_DEV_MMIO) {
            throw domain.forbidden(domid) == XenError.ESRCH ? XenError.ESRCH : XenError.EACCES;
        }
        domain.requireSelf(domid);
    }

    private static void add(Domain domain, int space, long index, long gfn) throws XenError {
        switch (space) {
            case SPACE_SHARED_INFO -> domain.sharedInfo().map(index, gfn);
            case SPACE_GRANT_TABLE -> domain.pages().mapGrantFrame(index, gfn);
            case SPACE_GMFN -> move(domain, index, gfn);
            default -> throw XenError.EINVAL;
        }
    }

    private static void move(Domain domain, long from, long to) throws XenError {
        if (from >= 0 && domain.memory().overlayOf(SpecialPages.SHARED_INFO) == from) {
            domain.sharedInfo().map(0, to);
        } else {
            domain.pages().move(from, to);
        }
    }

    /// XENMAPSPACE_gmfn_range. Since Xen 4.20 pages that move up within their own range move from the last one on.
    private static long range(HypercallContext c, long from, long to, int size, long start)
            throws XenError {
        if (size < start) {
            throw XenError.EILSEQ;
        }
        if (wraps(from, size) || wraps(to, size)) {
            throw XenError.EOVERFLOW;
        }
        boolean backwards =
                c.domain().config().isXenFrom(4, 20)
                        && Long.compareUnsigned(to, from) > 0
                        && Long.compareUnsigned(to, from + size) < 0;
        for (long done = start; done < size; ) {
            long page = backwards ? size - 1 - done : done;
            move(c.domain(), from + page, to + page);
            done++;
            c.vcpu().serveMailbox();
            if (done < size && c.isPreempted()) {
                return MemoryOp.continued(c, COMMAND, done);
            }
        }
        return 0;
    }

    private static boolean wraps(long first, int size) {
        return Long.compareUnsigned(first + size, first) < 0;
    }

    /// Writes a result for each entry. Stops early only at an entry that cannot be read, or has no frame.
    static long batch(HypercallContext c) throws XenError {
        long start = copyIn(c, AddToPhysmapBatch.STRUCT);
        var argument = c.argument();
        int space = argument.get(AddToPhysmapBatch.SPACE);
        if (space == SPACE_GMFN_RANGE) {
            throw XenError.EOPNOTSUPP;
        }
        requireAllowed(c.domain(), space, argument.get(AddToPhysmapBatch.DOMID));
        int size = argument.get(AddToPhysmapBatch.SIZE);
        if (size < start || (size == start && start > 0)) {
            throw XenError.EILSEQ;
        }
        int foreign = argument.get(AddToPhysmapBatch.U_FOREIGN_DOMID);
        long indices = argument.get(AddToPhysmapBatch.IDXS);
        long gfns = argument.get(AddToPhysmapBatch.GPFNS);
        long results = argument.get(AddToPhysmapBatch.ERRS);
        int width = c.width().bytes();
        for (long done = start; done < size; ) {
            long index = argument.linear().readUlong(indices + done * width);
            long gfn = argument.linear().readUlong(gfns + done * width);
            if (gfn == INVALID_GFN) {
                throw XenError.EINVAL;
            }
            int result = result(c.domain(), space, foreign, index, gfn);
            argument.linear().write32(results + done * RESULT_BYTES, result);
            done++;
            c.vcpu().serveMailbox();
            if (done < size && c.isPreempted()) {
                return MemoryOp.continued(c, BATCH, done);
            }
        }
        return 0;
    }

    private static int result(Domain domain, int space, int foreign, long index, long gfn) {
        try {
            if (space == SPACE_GMFN_FOREIGN) {
                throw foreignError(domain, foreign);
            }
            add(domain, space, index, gfn);
            return 0;
        } catch (XenError e) {
            return -e.number();
        }
    }

    /// The error with which Xen refuses a guest a page of another domain.
    private static XenError foreignError(Domain domain, int foreign) {
        return foreign == DomId.SELF.value() ? XenError.ESRCH : domain.forbidden(foreign);
    }
}
