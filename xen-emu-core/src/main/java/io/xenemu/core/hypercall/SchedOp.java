package io.xenemu.core.hypercall;

import io.xenemu.core.domain.EventPoll;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.SchedStructs.Poll;
import io.xenemu.kvm.abi.xen.SchedStructs.RemoteShutdown;
import io.xenemu.kvm.abi.xen.SchedStructs.Shutdown;
import io.xenemu.kvm.abi.xen.SchedStructs.Watchdog;

/// `sched_op` (29): yield, block, poll, shutdown and watchdogs. KVM serves yield and poll; they reach this only in a
/// multicall. `xen/include/public/sched.h`.
final class SchedOp {
    /// Xen's limit on the ports of one poll.
    private static final int MAX_POLL_PORTS = 128;

    /// Refused, since it is for device models and toolstacks.
    private static final FixedAnswer REMOTE_SHUTDOWN =
            FixedAnswer.refusal(
                    XenError.EPERM,
                    new Check.Reads(RemoteShutdown.STRUCT, 1),
                    Check.NamesDomain.byId(
                            new Operand.Field(RemoteShutdown.DOMAIN_ID), XenError.ESRCH));

    private SchedOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("sched_op", 29)
                .op(0, "yield", SchedOp::returnAtOnce)
                .op(1, "block", SchedOp::block)
                .op(2, "shutdown", SchedOp::shutdown)
                .op(3, "poll", SchedOp::poll)
                .op(4, "remote_shutdown", REMOTE_SHUTDOWN)
                .op(5, "shutdown_code", SchedOp::shutdownCode)
                .op(6, "watchdog", SchedOp::watchdog)
                .op(7, "pin_override", FixedAnswer.refusal(XenError.EPERM));
    }

    /// Does nothing: the exit to user space has already yielded the physical CPU.
    private static long returnAtOnce(HypercallContext c) {
        return 0;
    }

    private static long block(HypercallContext c) {
        return new EventPoll(c.domain(), c.vcpu()).block() ? 0 : HypercallContext.CONTINUED;
    }

    private static long poll(HypercallContext c) throws XenError {
        var argument = c.argument();
        argument.copyIn(Poll.STRUCT, c.word(1));
        long count = argument.get(Poll.NR_PORTS);
        if (count > MAX_POLL_PORTS) {
            throw XenError.EINVAL;
        }
        long list = argument.get(Poll.PORTS);
        long timeout = argument.get(Poll.TIMEOUT);
        boolean over =
                new EventPoll(c.domain(), c.vcpu())
                        .await(
                                Math.toIntExact(count),
                                i ->
                                        EvtchnPort.of(
                                                argument.linear()
                                                        .read32(list + (long) Integer.BYTES * i)),
                                timeout);
        // The time-out is absolute, so the same call can be made again.
        return over ? 0 : HypercallContext.CONTINUED;
    }

    /// Shuts the domain down. As in Xen, eight bits of the reason count. A domain that suspends, or asks for a soft
    /// reset, may go on later.
    private static long shutdown(HypercallContext c) throws XenError {
        c.argument().copyIn(Shutdown.STRUCT, c.word(1));
        int code = c.domain().shutdownCode(code(c));
        ShutdownReason reason = ShutdownReason.of(code);
        switch (reason) {
            case SUSPEND -> c.domain().suspension().suspend(c.vcpu());
            case SOFT_RESET -> c.domain().suspension().askForSoftReset(c.vcpu());
            default -> c.domain().shutdown(reason, ShutdownReason.describe(code));
        }
        return 0;
    }

    /// Announces the reason of a shutdown to come, unless one has been announced.
    private static long shutdownCode(HypercallContext c) throws XenError {
        c.argument().copyIn(Shutdown.STRUCT, c.word(1));
        c.domain().announceShutdown(code(c));
        return 0;
    }

    private static int code(HypercallContext c) {
        return (int) (c.argument().get(Shutdown.REASON) & 0xff);
    }

    private static long watchdog(HypercallContext c) throws XenError {
        c.argument().copyIn(Watchdog.STRUCT, c.word(1));
        long id = c.argument().get(Watchdog.ID);
        long seconds = c.argument().get(Watchdog.TIMEOUT);
        if (id == 0) {
            return c.domain().watchdogs().take(seconds);
        }
        c.domain().watchdogs().set(id, seconds);
        return 0;
    }
}
