package io.xenemu.core.hypercall;

import io.xenemu.core.domain.HvmParams;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.HvmStructs.EvtchnUpcallVector;
import io.xenemu.kvm.abi.xen.HvmStructs.Param;

/// `hvm_op` (34): HVM parameters and per-vCPU upcall vectors. `xen/include/public/hvm/hvm_op.h`, Xen's `do_hvm_op`.
final class HvmOp {
    /// Vectors below belong to exceptions.
    private static final int FIRST_VECTOR = 0x10;

    private HvmOp() {}

    static HypercallFamily family() {
        return HypercallFamily.ulong("hvm_op", 34)
                .op(0, "set_param", HvmOp::setParam)
                .op(1, "get_param", HvmOp::getParam)
                .op(23, "set_evtchn_upcall_vector", HvmOp::setEvtchnUpcallVector);
    }

    private static long setParam(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(Param.STRUCT, c.word(1));
        int index = index(argument.get(Param.INDEX));
        long value = argument.get(Param.VALUE);
        c.domain().requireSelf(argument.get(Param.DOMID));
        c.domain().params().guestSet(index, value);
        if (index == HvmParams.CALLBACK_IRQ) {
            c.domain().delivery().setCallback(value, c.width());
        }
        return 0;
    }

    private static long getParam(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(Param.STRUCT, c.word(1));
        int index = index(argument.get(Param.INDEX));
        c.domain().requireSelf(argument.get(Param.DOMID));
        argument.set(Param.VALUE, c.domain().params().guestGet(index));
        argument.copyOut(Param.STRUCT, c.word(1));
        return 0;
    }

    private static int index(long index) throws XenError {
        if (index >= HvmParams.COUNT) {
            throw XenError.EINVAL;
        }
        return Math.toIntExact(index);
    }

    private static long setEvtchnUpcallVector(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(EvtchnUpcallVector.STRUCT, c.word(1));
        int vector = argument.get(EvtchnUpcallVector.VECTOR);
        if (vector < FIRST_VECTOR) {
            throw XenError.EINVAL;
        }
        c.domain()
                .delivery()
                .setUpcallVector(c.domain().vcpu(argument.get(EvtchnUpcallVector.VCPU)), vector);
        return 0;
    }
}
