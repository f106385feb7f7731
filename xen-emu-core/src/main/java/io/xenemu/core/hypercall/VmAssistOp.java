package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;

/// `vm_assist` (21). An HVM domain has only one of Xen's assists, runstate_update_flag. Xen checks the type before
/// the command.
final class VmAssistOp {
    private static final int TYPE_RUNSTATE_UPDATE_FLAG = 5;

    private static final FixedAnswer UNKNOWN =
            FixedAnswer.refusal(
                    XenError.ENOSYS,
                    new Check.Is(new Operand.U32(1), TYPE_RUNSTATE_UPDATE_FLAG, XenError.EINVAL));

    private VmAssistOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("vm_assist", 21)
                .op(0, "enable", c -> set(c, true))
                .op(1, "disable", c -> set(c, false))
                .others(UNKNOWN);
    }

    private static void requireType(HypercallContext c) throws XenError {
        if (c.u32(1) != TYPE_RUNSTATE_UPDATE_FLAG) {
            throw XenError.EINVAL;
        }
    }

    private static long set(HypercallContext c, boolean enable) throws XenError {
        requireType(c);
        c.domain().sharedInfo().setRunstateUpdateFlag(enable);
        return 0;
    }
}
