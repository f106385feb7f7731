package io.xenemu.core.hypercall;

import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.domain.VcpuAreas;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.SharedInfoStructs.RunstateInfo;
import io.xenemu.kvm.abi.xen.VcpuStructs.HvmContext;
import io.xenemu.kvm.abi.xen.VcpuStructs.RegisterVcpuInfo;
import io.xenemu.kvm.abi.xen.VcpuStructs.SetPeriodicTimer;
import io.xenemu.kvm.abi.xen.VcpuStructs.SetSingleshotTimer;
import io.xenemu.kvm.ioctl.Runstate;

/// `vcpu_op` (24): vCPUs that come and go, areas in guest memory that Xen keeps up to date, and timers. The vCPU in the
/// second argument need not be the caller: Linux's boot vCPU registers the areas of the vCPUs that it is about to
/// start. `xen/include/public/vcpu.h`.
final class VcpuOp {
    /// `VCPU_SSHOTTMR_future`.
    private static final int SINGLESHOT_FUTURE = 1;

    /// Xen looks for the vCPU before the operation.
    private static final FixedAnswer UNKNOWN =
            FixedAnswer.refusal(XenError.ENOSYS, new Check.NamesVcpu());

    /// Only vCPUs of Xen's first domain can be bound to processors of the host.
    private static final FixedAnswer NO_PHYSICAL_CPU =
            FixedAnswer.refusal(XenError.EINVAL, new Check.NamesVcpu());

    private VcpuOp() {}

    static HypercallFamily family() {
        return HypercallFamily.of("vcpu_op", 24)
                .op(0, "initialise", VcpuOp::initialise)
                .op(1, "up", VcpuOp::up)
                .op(2, "down", VcpuOp::down)
                .op(3, "is_up", c -> target(c).isUp() ? 1 : 0)
                .op(4, "get_runstate_info", VcpuOp::getRunstateInfo)
                .op(5, "register_runstate_memory_area", VcpuOp::registerRunstate)
                .op(6, "set_periodic_timer", VcpuOp::setPeriodicTimer)
                .op(7, "stop_periodic_timer", VcpuOp::stopPeriodicTimer)
                .op(8, "set_singleshot_timer", VcpuOp::setSingleshotTimer)
                .op(9, "stop_singleshot_timer", VcpuOp::stopSingleshotTimer)
                .op(10, "register_vcpu_info", VcpuOp::registerVcpuInfo)
                .op(11, "send_nmi", VcpuOp::sendNmi)
                .op(12, "get_physid", NO_PHYSICAL_CPU)
                .op(13, "register_vcpu_time_memory_area", VcpuOp::registerTime)
                .op(14, "register_runstate_phys_area", VcpuOp::registerRunstatePhysical)
                .op(15, "register_vcpu_time_phys_area", VcpuOp::registerTimePhysical)
                .others(UNKNOWN);
    }

    static Vcpu target(HypercallContext c) throws XenError {
        return c.domain().vcpu(Integer.toUnsignedLong(c.u32(1)));
    }

    /// Checks that a one-shot timer is the caller's own, as in Xen; a periodic timer may be another vCPU's.
    private static Vcpu self(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        if (target != c.vcpu()) {
            throw XenError.EINVAL;
        }
        return target;
    }

    private static long initialise(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        c.argument().copyIn(HvmContext.STRUCT, c.word(2));
        if (target.isInitialised()) {
            throw XenError.EEXIST;
        }
        target.initialise(VcpuContext.read(c.argument()));
        return 0;
    }

    private static long up(HypercallContext c) throws XenError {
        target(c).up();
        return 0;
    }

    /// Puts a vCPU down. With the last one that is up, the domain powers off.
    private static long down(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        boolean last =
                c.domain().vcpus().stream().noneMatch(other -> other != target && other.isUp());
        if (last) {
            c.domain().shutdown(ShutdownReason.POWEROFF, "its last vCPU went down");
        } else {
            target.down();
        }
        return 0;
    }

    private static long sendNmi(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        if (c.word(2) != 0) {
            throw XenError.EINVAL;
        }
        target.nmi();
        return 0;
    }

    private static long registerVcpuInfo(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        c.argument().copyIn(RegisterVcpuInfo.STRUCT, c.word(2));
        long gfn = c.argument().get(RegisterVcpuInfo.MFN);
        long offset = c.argument().get(RegisterVcpuInfo.OFFSET);
        target.areas().registerVcpuInfo(gfn, offset, c.vcpu());
        return 0;
    }

    private static long registerRunstate(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        long address = c.argument().linear().readUlong(c.word(2));
        target.areas().registerRunstate(c.argument().linear(), address);
        return 0;
    }

    private static long registerTime(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        long address = c.argument().linear().readUlong(c.word(2));
        target.areas().registerTime(c.argument().linear(), address);
        return 0;
    }

    /// From Xen 4.18 on. The address has 64 bits in either width, unlike those by linear address.
    private static long registerRunstatePhysical(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        if (!VcpuAreas.offerPhysicalRunstate(c.domain())) {
            throw XenError.ENOSYS;
        }
        long gpa = c.argument().linear().read64(c.word(2));
        target.areas().registerRunstatePhysical(gpa, c.width());
        return 0;
    }

    /// From Xen 4.18 on; as [#registerRunstatePhysical].
    private static long registerTimePhysical(HypercallContext c) throws XenError {
        Vcpu target = target(c);
        if (!VcpuAreas.offerPhysicalTime(c.domain())) {
            throw XenError.ENOSYS;
        }
        target.areas().registerTimePhysical(c.argument().linear().read64(c.word(2)));
        return 0;
    }

    private static long getRunstateInfo(HypercallContext c) throws XenError {
        Runstate runstate = target(c).runstate();
        var argument = c.argument();
        argument.clear(RunstateInfo.STRUCT);
        argument.set(RunstateInfo.STATE, Math.toIntExact(runstate.state()));
        argument.set(RunstateInfo.STATE_ENTRY_TIME, runstate.stateEntryTime());
        argument.set(RunstateInfo.TIME, 0, runstate.timeRunning());
        argument.set(RunstateInfo.TIME, 1, runstate.timeRunnable());
        argument.set(RunstateInfo.TIME, 2, runstate.timeBlocked());
        argument.set(RunstateInfo.TIME, 3, runstate.timeOffline());
        argument.copyOut(RunstateInfo.STRUCT, c.word(2));
        return 0;
    }

    private static long setPeriodicTimer(HypercallContext c) throws XenError {
        Vcpu vcpu = target(c);
        c.argument().copyIn(SetPeriodicTimer.STRUCT, c.word(2));
        long period = c.argument().get(SetPeriodicTimer.PERIOD_NS);
        if (period < VcpuTimer.MIN_PERIOD_NANOS || period > VcpuTimer.MAX_PERIOD_NANOS) {
            throw XenError.EINVAL;
        }
        vcpu.timer().setPeriod(period);
        return 0;
    }

    private static long stopPeriodicTimer(HypercallContext c) throws XenError {
        target(c).timer().stopPeriod();
        return 0;
    }

    /// Sets the one-shot timer. The flag has no effect since Xen 4.18. If KVM runs the timer, it has none for any
    /// release: the event comes at once, as without the flag.
    private static long setSingleshotTimer(HypercallContext c) throws XenError {
        Vcpu vcpu = self(c);
        c.argument().copyIn(SetSingleshotTimer.STRUCT, c.word(2));
        long timeout = c.argument().get(SetSingleshotTimer.TIMEOUT_ABS_NS);
        boolean future = (c.argument().get(SetSingleshotTimer.FLAGS) & SINGLESHOT_FUTURE) != 0;
        if (future && !c.domain().config().isXenFrom(4, 18) && vcpu.timer().isOver(timeout)) {
            throw XenError.ETIME;
        }
        vcpu.timer().setSingleshot(timeout);
        return 0;
    }

    private static long stopSingleshotTimer(HypercallContext c) throws XenError {
        self(c).timer().setDeadline(0);
        return 0;
    }
}
