package io.xenemu.core.hypercall;

import io.xenemu.kvm.abi.XenError;

/// `vm_assist` (21). Of Xen's assists an HVM domain has one: runstate_update_flag.
final class VmAssistOp {
    private static final int TYPE_RUNSTATE_UPDATE_FLAG = 5;

    private VmAssistOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("vm_assist", 21)
                .op(0, "enable", c -> set(c, true))
                .op(1, "disable", c -> set(c, false));
    }

    private static long set(HypercallContext c, boolean enable) throws XenError {
        if (c.u32(1) != TYPE_RUNSTATE_UPDATE_FLAG) {
            throw XenError.EINVAL;
        }
        c.domain().setRunstateUpdateFlag(enable);
        return 0;
    }
}
