package io.xenemu.core.hypercall;

import io.xenemu.gnttab.GuestFrames;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.MemoryStructs.Exchange;
import io.xenemu.kvm.memory.GuestArgument;
import org.jspecify.annotations.Nullable;

/// XENMEM_exchange of [MemoryOp]. Xen refuses it to an HVM guest, but only after all checks of the request. To a 64-bit
/// caller, every error from the first check of the contents on also writes the number of exchanged extents back; to a
/// 32-bit caller, only success does.
///
/// Sources: Xen's `memory_exchange` of `common/memory.c`, `compat_memory_op` of `common/compat/memory.c`.
final class MemoryExchange {
    /// Orders from here on are refused to 32-bit callers before all other checks. The structure is not written then.
    private static final int NARROW_ORDERS = 32;

    /// Orders that differ by this much or more are refused to 32-bit callers: the frame numbers of one step do not fit
    /// into Xen's two pages.
    private static final int NARROW_RATIO = 10;

    /// Bytes for the frame numbers of one step: those pages without the structure.
    private static final long NARROW_ROOM = 8192 - 72;

    private static final long UINT_MAX = 0xffff_ffffL;

    private MemoryExchange() {}

    static long exchange(HypercallContext c) throws XenError {
        boolean narrow = c.width() == GuestWidth.BITS_32;
        if (!narrow) {
            MemoryOp.requireWhole(c, XenError.EINVAL);
        }
        GuestArgument argument = c.argument();
        argument.copyIn(Exchange.STRUCT, c.word(1));
        if (narrow) {
            refuseNarrow(c);
        }
        long done = argument.get(Exchange.NR_EXCHANGED);
        XenError error = error(c, done);
        if (narrow == (error == null)) {
            argument.copyOut(Exchange.NR_EXCHANGED, c.word(1));
        }
        if (error != null) {
            throw error;
        }
        return 0;
    }

    /// Makes the checks of Xen's translation of a 32-bit request, which precede those of the request itself.
    private static void refuseNarrow(HypercallContext c) throws XenError {
        GuestArgument argument = c.argument();
        long in = argument.get(Exchange.IN_EXTENT_ORDER);
        long out = argument.get(Exchange.OUT_EXTENT_ORDER);
        if (in >= NARROW_ORDERS || out >= NARROW_ORDERS) {
            throw XenError.EPERM;
        }
        long done = argument.get(Exchange.NR_EXCHANGED);
        if ((out > in && (done & ((1L << (out - in)) - 1)) != 0)
                || !agree(argument, done, UINT_MAX)) {
            throw XenError.EINVAL;
        }
        if (Math.abs(out - in) >= NARROW_RATIO) {
            throw XenError.E2BIG;
        }
        requireLists(c, Math.toIntExact(out - in), done);
        MemoryOp.requireWhole(c, XenError.EINVAL);
    }

    /// Checks that both lists can be read, as far as one step goes.
    ///
    /// @param growth the order of the new extents less that of the old ones
    private static void requireLists(HypercallContext c, int growth, long done) throws XenError {
        GuestArgument argument = c.argument();
        int larger = Math.max(growth, 0);
        int smaller = Math.max(-growth, 0);
        long ratio = 1L << (larger + smaller);
        long step = (NARROW_ROOM / ((ratio + 1) * Long.BYTES)) << larger;
        long end = Math.min(done + step, argument.get(Exchange.IN_NR_EXTENTS));
        MemoryOp.requireUlongs(c, argument.get(Exchange.IN_EXTENT_START), done, end);
        MemoryOp.requireUlongs(
                c,
                argument.get(Exchange.OUT_EXTENT_START),
                done >> larger << smaller,
                end >> larger << smaller);
    }

    /// Whether the counts and orders agree.
    ///
    /// @param most the largest `unsigned` that a list's number of pages may be
    private static boolean agree(GuestArgument argument, long done, long most) {
        int in = Math.toIntExact(argument.get(Exchange.IN_EXTENT_ORDER));
        int out = Math.toIntExact(argument.get(Exchange.OUT_EXTENT_ORDER));
        long inCount = argument.get(Exchange.IN_NR_EXTENTS);
        long outCount = argument.get(Exchange.OUT_NR_EXTENTS);
        return Long.compareUnsigned(done, inCount) <= 0
                && Long.compareUnsigned(inCount, most >>> in) <= 0
                && Long.compareUnsigned(outCount, most >>> out) <= 0
                && inCount << in == outCount << out;
    }

    /// The refusal of a request, or null if all its extents have been exchanged before.
    private static @Nullable XenError error(HypercallContext c, long done) {
        GuestArgument argument = c.argument();
        long order = argument.get(Exchange.IN_EXTENT_ORDER);
        if (Math.max(order, argument.get(Exchange.OUT_EXTENT_ORDER)) > MemoryOp.MAX_ORDER) {
            return XenError.EPERM;
        }
        int domid = argument.get(Exchange.IN_DOMID);
        if (domid != argument.get(Exchange.OUT_DOMID) || !agree(argument, done, -1)) {
            return XenError.EINVAL;
        }
        if (done == argument.get(Exchange.IN_NR_EXTENTS)) {
            return null;
        }
        if (MemoryOp.namesNode(argument.get(Exchange.OUT_MEM_FLAGS))) {
            return XenError.EINVAL;
        }
        try {
            c.domain().requireSelf(domid);
            long list = argument.get(Exchange.IN_EXTENT_START);
            // Xen goes by whole extents of the larger order.
            long growth = Math.max(argument.get(Exchange.OUT_EXTENT_ORDER) - order, 0);
            long first = done >>> growth << growth;
            long gfn = argument.linear().readUlong(list + first * c.width().bytes());
            return c.domain().memory().pageAt(gfn) == GuestFrames.NO_RAM
                    ? XenError.EINVAL
                    : XenError.EOPNOTSUPP;
        } catch (XenError e) {
            return e;
        }
    }
}
