package io.xenemu.core.hypercall;

import static io.xenemu.core.hypercall.FixedAnswer.refusal;
import static io.xenemu.core.hypercall.FixedAnswer.success;

import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypercall.Check.AtMost;
import io.xenemu.core.hypercall.Check.Is;
import io.xenemu.core.hypercall.Check.IsOfWords;
import io.xenemu.core.hypercall.Check.NamesDomain;
import io.xenemu.core.hypercall.Check.Reads;
import io.xenemu.core.hypercall.Operand.Field;
import io.xenemu.core.hypercall.Operand.Word;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.HvmStructs.EvtchnUpcallVector;
import io.xenemu.kvm.abi.xen.HvmStructs.GetMemType;
import io.xenemu.kvm.abi.xen.HvmStructs.GetTime;
import io.xenemu.kvm.abi.xen.HvmStructs.PagetableDying;
import io.xenemu.kvm.abi.xen.HvmStructs.Param;
import io.xenemu.kvm.abi.xen.HvmStructs.Xentrace;

/// `hvm_op` (34): HVM parameters and per-vCPU upcall vectors. `xen/include/public/hvm/hvm_op.h`, Xen's `do_hvm_op`.
final class HvmOp {
    /// Vectors below belong to exceptions.
    private static final int FIRST_VECTOR = 0x10;

    /// Events above belong to Xen itself (`TRC_SUBCLS_SHIFT`).
    private static final long MAX_TRACE_EVENT = 0xfff;

    private static final Is NO_ARGUMENT = new Is(new Word(1), 0, XenError.EINVAL);

    /// Refused, since only shadow page tables need it.
    private static final FixedAnswer PAGETABLE_DYING =
            refusal(
                    XenError.EINVAL,
                    new Reads(PagetableDying.STRUCT, 1),
                    NamesDomain.itself(new Field(PagetableDying.DOMID), XenError.EOPNOTSUPP));

    /// Does nothing: the guest's trace events are not recorded.
    private static final FixedAnswer XENTRACE =
            success(
                    new Reads(Xentrace.STRUCT, 1),
                    new IsOfWords(new Field(Xentrace.EXTRA_BYTES)),
                    new AtMost(
                            new Field(Xentrace.EXTRA_BYTES),
                            Xentrace.EXTRA_BYTES_MAX,
                            XenError.EINVAL),
                    new AtMost(new Field(Xentrace.EVENT), MAX_TRACE_EVENT, XenError.EINVAL));

    /// Does nothing: no monitor listens to the guest.
    private static final FixedAnswer GUEST_REQUEST = success(NO_ARGUMENT);

    /// Refused, as on a host without altp2m: every host with an AMD processor.
    private static final FixedAnswer ALTP2M = refusal(XenError.EOPNOTSUPP);

    private HvmOp() {}

    static HypercallFamily family() {
        return HypercallFamily.ulong("hvm_op", 34)
                .op(0, "set_param", HvmOp::setParam)
                .op(1, "get_param", HvmOp::getParam)
                .absent(2, "set_pci_intx_level")
                .absent(3, "set_isa_irq_level")
                .absent(4, "set_pci_link_route")
                .op(5, "flush_tlbs", HvmOp::flushTlbs)
                .absent(6, "track_dirty_vram")
                .absent(7, "modified_memory")
                .absent(8, "set_mem_type")
                .op(9, "pagetable_dying", PAGETABLE_DYING)
                .op(10, "get_time", HvmOp::getTime)
                .op(11, "xentrace", XENTRACE)
                .absent(12, "set_mem_access")
                .absent(13, "get_mem_access")
                .absent(14, "inject_trap")
                .op(15, "get_mem_type", HvmOp::getMemType)
                .absent(16, "inject_msi")
                .absent(17, "create_ioreq_server")
                .absent(18, "get_ioreq_server_info")
                .absent(19, "map_io_range_to_ioreq_server")
                .absent(20, "unmap_io_range_from_ioreq_server")
                .absent(21, "destroy_ioreq_server")
                .absent(22, "set_ioreq_server_state")
                .op(23, "set_evtchn_upcall_vector", HvmOp::setEvtchnUpcallVector)
                .op(24, "guest_request_vm_event", GUEST_REQUEST)
                .op(25, "altp2m", ALTP2M);
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

    private static long flushTlbs(HypercallContext c) throws XenError {
        NO_ARGUMENT.run(c);
        c.domain().vcpus().forEach(Vcpu::flushTlb);
        return 0;
    }

    private static long getTime(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.clear(GetTime.STRUCT);
        argument.set(GetTime.NOW, c.domain().vm().clock());
        argument.copyOut(GetTime.STRUCT, c.word(1));
        return 0;
    }

    private static long getMemType(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(GetMemType.STRUCT, c.word(1));
        c.domain().requireSelf(argument.get(GetMemType.DOMID));
        argument.set(
                GetMemType.MEM_TYPE,
                c.domain().memory().useOf(argument.get(GetMemType.PFN)).code());
        argument.copyOut(GetMemType.STRUCT, c.word(1));
        return 0;
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
