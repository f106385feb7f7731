package io.xenemu.core.hypercall;

import static io.xenemu.core.hypercall.FixedAnswer.refusal;

import io.xenemu.core.hypercall.Check.NamesDomain;
import io.xenemu.core.hypercall.Check.Reads;
import io.xenemu.core.hypercall.Operand.Field;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.evtchn.Pirq;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.EvtchnStructs.AllocUnbound;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindInterdomain;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindIpi;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindPirq;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindVcpu;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindVirq;
import io.xenemu.kvm.abi.xen.EvtchnStructs.Close;
import io.xenemu.kvm.abi.xen.EvtchnStructs.ExpandArray;
import io.xenemu.kvm.abi.xen.EvtchnStructs.InitControl;
import io.xenemu.kvm.abi.xen.EvtchnStructs.Reset;
import io.xenemu.kvm.abi.xen.EvtchnStructs.Send;
import io.xenemu.kvm.abi.xen.EvtchnStructs.SetPriority;
import io.xenemu.kvm.abi.xen.EvtchnStructs.Status;
import io.xenemu.kvm.abi.xen.EvtchnStructs.Unmask;
import io.xenemu.kvm.memory.GuestField;

/// `event_channel_op` (32). Decodes and encodes; [io.xenemu.evtchn.EventChannels] implements the operations.
/// `xen/include/public/event_channel.h`.
final class EventChannelOp {
    /// Refused, because no reset is ever under way: it is done in one call.
    private static final FixedAnswer RESET_CONTINUED =
            refusal(
                    XenError.EBUSY,
                    new Reads(Reset.STRUCT, 1),
                    NamesDomain.itself(new Field(Reset.DOM)));

    private EventChannelOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("event_channel_op", 32)
                .op(0, "bind_interdomain", EventChannelOp::bindInterdomain)
                .op(1, "bind_virq", EventChannelOp::bindVirq)
                .op(2, "bind_pirq", EventChannelOp::bindPirq)
                .op(3, "close", EventChannelOp::close)
                .op(4, "send", EventChannelOp::send)
                .op(5, "status", EventChannelOp::status)
                .op(6, "alloc_unbound", EventChannelOp::allocUnbound)
                .op(7, "bind_ipi", EventChannelOp::bindIpi)
                .op(8, "bind_vcpu", EventChannelOp::bindVcpu)
                .op(9, "unmask", EventChannelOp::unmask)
                .op(10, "reset", EventChannelOp::reset)
                .op(11, "init_control", EventChannelOp::initControl)
                .op(12, "expand_array", EventChannelOp::expandArray)
                .op(13, "set_priority", EventChannelOp::setPriority)
                .op(14, "reset_cont", RESET_CONTINUED);
    }

    private static long bindInterdomain(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(BindInterdomain.STRUCT, c.word(1));
        DomId remote = DomId.of(argument.get(BindInterdomain.REMOTE_DOM));
        EvtchnPort remotePort = port(c, BindInterdomain.REMOTE_PORT);
        EvtchnPort local = c.domain().eventChannels().bindInterdomain(remote, remotePort);
        argument.set(BindInterdomain.LOCAL_PORT, local.value());
        return answer(c, BindInterdomain.LOCAL_PORT, local);
    }

    private static long bindVirq(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(BindVirq.STRUCT, c.word(1));
        Virq virq = Virq.of(c.argument().bits(BindVirq.VIRQ));
        EvtchnPort port = c.domain().eventChannels().bindVirq(virq, vcpu(c, BindVirq.VCPU));
        argument.set(BindVirq.PORT, port.value());
        return answer(c, BindVirq.PORT, port);
    }

    private static long bindPirq(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(BindPirq.STRUCT, c.word(1));
        Pirq pirq = new Pirq(c.argument().bits(BindPirq.PIRQ));
        EvtchnPort port =
                c.domain().eventChannels().bindPirq(pirq, c.argument().bits(BindPirq.FLAGS));
        argument.set(BindPirq.PORT, port.value());
        return answer(c, BindPirq.PORT, port);
    }

    private static long bindIpi(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(BindIpi.STRUCT, c.word(1));
        EvtchnPort port = c.domain().eventChannels().bindIpi(vcpu(c, BindIpi.VCPU));
        argument.set(BindIpi.PORT, port.value());
        return answer(c, BindIpi.PORT, port);
    }

    private static long allocUnbound(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(AllocUnbound.STRUCT, c.word(1));
        DomId dom = DomId.of(argument.get(AllocUnbound.DOM));
        DomId remote = DomId.of(argument.get(AllocUnbound.REMOTE_DOM));
        EvtchnPort port = c.domain().eventChannels().allocUnbound(dom, remote);
        argument.set(AllocUnbound.PORT, port.value());
        return answer(c, AllocUnbound.PORT, port);
    }

    private static long close(HypercallContext c) throws XenError {
        c.argument().copyIn(Close.STRUCT, c.word(1));
        c.domain().eventChannels().close(port(c, Close.PORT));
        return 0;
    }

    /// Called only for ports that the kernel's table does not have.
    private static long send(HypercallContext c) throws XenError {
        c.argument().copyIn(Send.STRUCT, c.word(1));
        c.domain().eventChannels().send(port(c, Send.PORT));
        return 0;
    }

    private static long unmask(HypercallContext c) throws XenError {
        c.argument().copyIn(Unmask.STRUCT, c.word(1));
        c.domain().eventChannels().unmask(port(c, Unmask.PORT));
        return 0;
    }

    private static long bindVcpu(HypercallContext c) throws XenError {
        c.argument().copyIn(BindVcpu.STRUCT, c.word(1));
        c.domain().eventChannels().bindVcpu(port(c, BindVcpu.PORT), vcpu(c, BindVcpu.VCPU));
        return 0;
    }

    private static long reset(HypercallContext c) throws XenError {
        c.argument().copyIn(Reset.STRUCT, c.word(1));
        c.domain().eventChannels().reset(DomId.of(c.argument().get(Reset.DOM)));
        return 0;
    }

    private static long status(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(Status.STRUCT, c.word(1));
        DomId dom = DomId.of(argument.get(Status.DOM));
        EvtchnStatus status = c.domain().eventChannels().status(dom, port(c, Status.PORT));
        argument.set(Status.STATUS, status.code());
        argument.set(Status.VCPU, status.vcpu().value());
        switch (status) {
            case EvtchnStatus.Closed closed -> {}
            case EvtchnStatus.Ipi ipi -> {}
            case EvtchnStatus.Unbound unbound ->
                    argument.set(Status.U_UNBOUND_DOM, unbound.remote().value());
            case EvtchnStatus.Interdomain interdomain -> {
                argument.set(Status.U_INTERDOMAIN_DOM, interdomain.remote().value());
                argument.set(Status.U_INTERDOMAIN_PORT, interdomain.port().value());
            }
            case EvtchnStatus.PirqBound pirq -> argument.set(Status.U_PIRQ, pirq.pirq().value());
            case EvtchnStatus.VirqBound virq -> argument.set(Status.U_VIRQ, virq.virq().number());
        }
        argument.copyOut(Status.STRUCT, c.word(1));
        return 0;
    }

    private static long initControl(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(InitControl.STRUCT, c.word(1));
        long gfn = argument.get(InitControl.CONTROL_GFN);
        int offset = c.argument().bits(InitControl.OFFSET);
        int linkBits =
                c.domain().eventChannels().initControl(vcpu(c, InitControl.VCPU), gfn, offset);
        argument.set(InitControl.LINK_BITS, linkBits);
        argument.copyOut(InitControl.LINK_BITS, c.word(1));
        return 0;
    }

    private static long expandArray(HypercallContext c) throws XenError {
        c.argument().copyIn(ExpandArray.STRUCT, c.word(1));
        c.domain().eventChannels().expandArray(c.argument().get(ExpandArray.ARRAY_GFN));
        return 0;
    }

    private static long setPriority(HypercallContext c) throws XenError {
        c.argument().copyIn(SetPriority.STRUCT, c.word(1));
        c.domain()
                .eventChannels()
                .setPriority(port(c, SetPriority.PORT), c.argument().bits(SetPriority.PRIORITY));
        return 0;
    }

    /// Writes the new port to the guest's argument. Closes the port again if that fails. Xen leaves it open, and the
    /// guest cannot use it.
    private static long answer(HypercallContext c, GuestField field, EvtchnPort port)
            throws XenError {
        try {
            c.argument().copyOut(field, c.word(1));
        } catch (XenError e) {
            c.domain().eventChannels().close(port);
            throw e;
        }
        return 0;
    }

    private static EvtchnPort port(HypercallContext c, GuestField.U32 field) {
        return EvtchnPort.of(c.argument().bits(field));
    }

    private static VcpuId vcpu(HypercallContext c, GuestField.U32 field) {
        return c.domain().eventChannels().vcpuId(c.argument().bits(field));
    }
}
