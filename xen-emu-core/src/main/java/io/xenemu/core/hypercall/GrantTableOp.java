package io.xenemu.core.hypercall;

import io.xenemu.gnttab.GrantCopy;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.GnttabStructs.Copy;
import io.xenemu.kvm.abi.xen.GnttabStructs.GetVersion;
import io.xenemu.kvm.abi.xen.GnttabStructs.QuerySize;
import io.xenemu.kvm.abi.xen.GnttabStructs.SetVersion;
import io.xenemu.kvm.abi.xen.GnttabStructs.SetupTable;
import io.xenemu.kvm.abi.xen.GnttabStructs.SwapGrantRef;
import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestStruct;

/// `grant_table_op` (20). The third argument is the number of structures in an array. An operation with a status
/// field reports a structure's failure there, and the hypercall itself succeeds. `xen/include/public/grant_table.h`.
final class GrantTableOp {
    private static final int GNTCOPY_SOURCE_GREF = 1;
    private static final int GNTCOPY_DEST_GREF = 2;

    private GrantTableOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("grant_table_op", 20)
                .op(0, "map_grant_ref", GrantMappingOps::map)
                .op(1, "unmap_grant_ref", GrantMappingOps::unmap)
                .op(2, "setup_table", GrantTableOp::setupTable)
                .absent(3, "dump_table")
                .absent(4, "transfer")
                .op(5, "copy", GrantTableOp::copy)
                .op(6, "query_size", GrantTableOp::querySize)
                .absent(7, "unmap_and_replace")
                .op(8, "set_version", GrantTableOp::setVersion)
                .absent(9, "get_status_frames")
                .op(10, "get_version", GrantTableOp::getVersion)
                .op(11, "swap_grant_ref", GrantTableOp::swapGrantRef)
                .absent(12, "cache_flush");
    }

    /// Serves one structure of a batch, which has been copied in, and sets its result fields.
    private interface Element {
        void serve(HypercallContext c);
    }

    private static long copy(HypercallContext c) throws XenError {
        return batch(c, Copy.STRUCT, Copy.STATUS, GrantTableOp::copyOne);
    }

    private static long swapGrantRef(HypercallContext c) throws XenError {
        return batch(c, SwapGrantRef.STRUCT, SwapGrantRef.STATUS, GrantTableOp::swap);
    }

    /// Serves a batch. Each structure is copied in once, and its results are copied out before the next one is read. A
    /// fault ends the batch; structures that have been served stay so. Between two structures the vCPU serves its
    /// mailbox. If the call is to end early, the guest makes another one for the rest, as when Xen interrupts a
    /// batch.
    ///
    /// @param result the only field that is written back
    private static long batch(
            HypercallContext c, GuestStruct struct, GuestField.S16 result, Element element)
            throws XenError {
        int count = count(c);
        var argument = c.argument();
        for (int i = 0; i < count; i++) {
            long address = argument.element(struct, c.word(1), i);
            argument.copyIn(struct, address);
            element.serve(c);
            argument.copyOut(result, address);
            c.vcpu().serveMailbox();
            int left = count - i - 1;
            if (left > 0 && c.isPreempted()) {
                return continued(c, struct, i + 1, left);
            }
        }
        return 0;
    }

    /// Lets the guest make the call again for the rest of its array.
    ///
    /// @param done structures that have been served
    /// @param left those that have not
    static long continued(HypercallContext c, GuestStruct struct, int done, int left) {
        c.setParameter(1, c.argument().element(struct, c.word(1), done));
        c.setParameter(2, left);
        return HypercallContext.CONTINUED;
    }

    /// The number of structures in the call's array.
    ///
    /// @throws XenError EINVAL if it is negative
    static int count(HypercallContext c) throws XenError {
        int count = c.u32(2);
        if (count < 0) {
            throw XenError.EINVAL;
        }
        return count;
    }

    private static void copyOne(HypercallContext c) {
        var argument = c.argument();
        GrantCopy copy = c.grantCopy();
        int flags = argument.get(Copy.FLAGS);
        boolean fromRef = (flags & GNTCOPY_SOURCE_GREF) != 0;
        boolean toRef = (flags & GNTCOPY_DEST_GREF) != 0;
        copy.from(
                DomId.of(argument.get(Copy.SOURCE_DOMID)),
                fromRef,
                fromRef ? argument.get(Copy.SOURCE_U_REF) : argument.get(Copy.SOURCE_U_GMFN),
                argument.get(Copy.SOURCE_OFFSET));
        copy.to(
                DomId.of(argument.get(Copy.DEST_DOMID)),
                toRef,
                toRef ? argument.get(Copy.DEST_U_REF) : argument.get(Copy.DEST_U_GMFN),
                argument.get(Copy.DEST_OFFSET));
        argument.set(Copy.STATUS, copy.run(argument.get(Copy.LEN)).code());
    }

    private static void swap(HypercallContext c) {
        GrantStatus status =
                c.domain()
                        .grantTable()
                        .swapGrantRef(
                                new GrantRef(c.argument().bits(SwapGrantRef.REF_A)),
                                new GrantRef(c.argument().bits(SwapGrantRef.REF_B)));
        c.argument().set(SwapGrantRef.STATUS, status.code());
    }

    /// Checks the count of an operation that takes exactly one structure.
    private static void requireOne(HypercallContext c) throws XenError {
        if (c.u32(2) != 1) {
            throw XenError.EINVAL;
        }
    }

    /// Grows the table, and lists the guest frames of its pages; all ones for a page without a frame. A 32-bit caller
    /// gets `ADDRESS_TOO_BIG` instead of all ones, and may pass a count of 0.
    private static long setupTable(HypercallContext c) throws XenError {
        boolean isNarrow = c.width() == GuestWidth.BITS_32;
        if (isNarrow && c.u32(2) == 0) {
            return 0;
        }
        requireOne(c);
        var argument = c.argument();
        argument.copyIn(SetupTable.STRUCT, c.word(1));
        int count = c.argument().bits(SetupTable.NR_FRAMES);
        long list = argument.get(SetupTable.FRAME_LIST);
        DomId dom = DomId.of(argument.get(SetupTable.DOM));
        GrantStatus status = c.domain().grantTable().setupTable(dom, count);
        int width = c.width().bytes();
        for (int i = 0; status == GrantStatus.OKAY && i < count; i++) {
            try {
                long gfn = c.domain().pages().grantFrameGfn(i);
                if (isNarrow && gfn != Integer.toUnsignedLong((int) gfn)) {
                    status = GrantStatus.ADDRESS_TOO_BIG;
                    break;
                }
                argument.linear().writeUlong(list + (long) i * width, gfn);
            } catch (XenError e) {
                status = GrantStatus.BAD_VIRT_ADDR;
            }
        }
        argument.set(SetupTable.STATUS, status.code());
        argument.copyOut(SetupTable.STATUS, c.word(1));
        return 0;
    }

    private static long querySize(HypercallContext c) throws XenError {
        requireOne(c);
        var argument = c.argument();
        argument.copyIn(QuerySize.STRUCT, c.word(1));
        GrantTable table = c.domain().grantTable();
        GrantStatus status = table.querySize(DomId.of(argument.get(QuerySize.DOM)));
        if (status == GrantStatus.OKAY) {
            argument.set(QuerySize.NR_FRAMES, table.frames());
            argument.set(QuerySize.MAX_NR_FRAMES, table.limits().maxGrantFrames());
        }
        argument.set(QuerySize.STATUS, status.code());
        argument.copyOut(QuerySize.STRUCT, c.word(1));
        return 0;
    }

    /// Sets the version. The structure then contains the current version, even if the call fails. Xen ignores the
    /// count.
    private static long setVersion(HypercallContext c) throws XenError {
        count(c);
        var argument = c.argument();
        argument.copyIn(SetVersion.STRUCT, c.word(1));
        GrantTable table = c.domain().grantTable();
        // A version above 2^31 is refused like any other that is not 1 or 2.
        int version = c.argument().bits(SetVersion.VERSION);
        try {
            table.setVersion(version);
        } finally {
            argument.set(SetVersion.VERSION, table.version());
            argument.copyOut(SetVersion.STRUCT, c.word(1));
        }
        return 0;
    }

    private static long getVersion(HypercallContext c) throws XenError {
        count(c);
        var argument = c.argument();
        argument.copyIn(GetVersion.STRUCT, c.word(1));
        DomId dom = DomId.of(argument.get(GetVersion.DOM));
        argument.set(GetVersion.VERSION, c.domain().grantTable().getVersion(dom));
        argument.copyOut(GetVersion.VERSION, c.word(1));
        return 0;
    }
}
