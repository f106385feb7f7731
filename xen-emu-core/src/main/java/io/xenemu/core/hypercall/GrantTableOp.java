package io.xenemu.core.hypercall;

import io.xenemu.gnttab.GrantStatus;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.GnttabStructs.GetVersion;
import io.xenemu.kvm.abi.xen.GnttabStructs.QuerySize;
import io.xenemu.kvm.abi.xen.GnttabStructs.SetVersion;

/// `grant_table_op` (20). The third argument counts structures in an array; an operation with a status field reports what
/// went wrong with one of them there, and the hypercall itself succeeds. `xen/include/public/grant_table.h`.
final class GrantTableOp {
    private GrantTableOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("grant_table_op", 20)
                .op(6, "query_size", GrantTableOp::querySize)
                .op(8, "set_version", GrantTableOp::setVersion)
                .op(10, "get_version", GrantTableOp::getVersion);
    }

    /// These operations take exactly one structure.
    private static void requireOne(HypercallContext c) throws XenError {
        if (c.u32(2) != 1) {
            throw XenError.EINVAL;
        }
    }

    private static long querySize(HypercallContext c) throws XenError {
        requireOne(c);
        var argument = c.argument();
        argument.copyIn(QuerySize.STRUCT, c.word(1));
        GrantTable table = c.domain().grantTable();
        GrantStatus status = table.querySize(DomId.of(argument.get(QuerySize.DOM)));
        if (status == GrantStatus.OKAY) {
            argument.set(QuerySize.NR_FRAMES, table.frames());
            argument.set(QuerySize.MAX_NR_FRAMES, table.maxFrames());
        }
        argument.set(QuerySize.STATUS, status.code());
        argument.copyOut(QuerySize.STRUCT, c.word(1));
        return 0;
    }

    /// The structure tells the version in force afterwards, also when the call fails.
    private static long setVersion(HypercallContext c) throws XenError {
        requireOne(c);
        var argument = c.argument();
        argument.copyIn(SetVersion.STRUCT, c.word(1));
        GrantTable table = c.domain().grantTable();
        // A version above 2^31 is as wrong as any other that is not 1 or 2.
        int version = (int) (argument.get(SetVersion.VERSION) & 0xffff_ffffL);
        try {
            table.setVersion(version);
        } finally {
            argument.set(SetVersion.VERSION, table.version());
            argument.copyOut(SetVersion.STRUCT, c.word(1));
        }
        return 0;
    }

    private static long getVersion(HypercallContext c) throws XenError {
        requireOne(c);
        var argument = c.argument();
        argument.copyIn(GetVersion.STRUCT, c.word(1));
        DomId dom = DomId.of(argument.get(GetVersion.DOM));
        argument.set(GetVersion.VERSION, c.domain().grantTable().getVersion(dom));
        argument.copyOut(GetVersion.STRUCT, c.word(1));
        return 0;
    }
}
