package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.MulticallStructs.Entry;
import io.xenemu.kvm.memory.GuestArgument;

/// `multicall` (13): a list of hypercalls, each made and counted as if the guest had made it, with its result in the
/// list. Only a list that cannot be read or written ends the call with an error. `xen/include/public/xen.h`, Xen's
/// `do_multicall`.
final class MulticallOp {
    /// The parameters of an entry; Xen's hypercalls have no sixth.
    private static final int ENTRY_PARAMETERS = 5;

    private MulticallOp() {}

    static HypercallFamily family() {
        return HypercallFamily.single("multicall", 13, MulticallOp::multicall);
    }

    private static long multicall(HypercallContext c) throws XenError {
        if (!c.beginMulticall()) {
            throw XenError.EINVAL;
        }
        long list = c.word(0);
        // The count is an `unsigned int` up to Xen 4.19.
        long count =
                c.domain().config().isXenFrom(4, 20) ? c.word(1) : Integer.toUnsignedLong(c.u32(1));
        long number = c.number();
        long third = c.word(2);
        long fourth = c.word(3);
        long fifth = c.word(4);
        long sixth = c.word(5);
        try {
            long left = make(c, list, count);
            list += (count - left) * c.argument().size(Entry.STRUCT);
            count = left;
        } finally {
            c.endMulticall(number);
            c.setParameter(2, third);
            c.setParameter(3, fourth);
            c.setParameter(4, fifth);
            c.setParameter(5, sixth);
        }
        if (count == 0) {
            return 0;
        }
        c.setParameter(0, list);
        c.setParameter(1, count);
        return HypercallContext.CONTINUED;
    }

    /// Makes the calls.
    ///
    /// @return the number of calls left if this call is to end early, or one of them to go on later
    private static long make(HypercallContext c, long list, long count) throws XenError {
        long entry = list;
        int size = c.argument().size(Entry.STRUCT);
        for (long left = count; left != 0; left--) {
            if (left != count) {
                c.vcpu().serveMailbox();
                if (c.isPreempted()) {
                    return left;
                }
            }
            if (!make(c, entry)) {
                return left;
            }
            entry += size;
        }
        return 0;
    }

    /// Makes one call, and writes its result.
    ///
    /// @return false if it is to go on later; then its entry has the parameters for that
    private static boolean make(HypercallContext c, long entry) throws XenError {
        GuestArgument argument = c.argument();
        // The guest may have changed the page tables, so each call walks them anew.
        argument.linear().forget();
        argument.copyIn(Entry.STRUCT, entry);
        c.setNumber(argument.get(Entry.OP));
        for (int i = 0; i < ENTRY_PARAMETERS; i++) {
            c.setParameter(i, argument.get(Entry.ARGS, i));
        }
        long result = c.dispatcher().dispatch(c);
        if (result != HypercallContext.CONTINUED) {
            long at = entry + Entry.RESULT.offset(c.width());
            argument.linear().writeUlong(at, result);
            return true;
        }
        // The call has used the copy for its own argument, so the entry is read again.
        argument.copyIn(Entry.STRUCT, entry);
        for (int i = 0; i < ENTRY_PARAMETERS; i++) {
            argument.set(Entry.ARGS, i, c.word(i));
        }
        argument.copyOut(Entry.ARGS, entry);
        return false;
    }
}
