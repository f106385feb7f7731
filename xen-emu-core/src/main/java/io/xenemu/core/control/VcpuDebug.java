package io.xenemu.core.control;

import io.xenemu.core.domain.ThreadActivity;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.domain.VcpuRegisters;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSregs;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.Segment;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/// Rows of a debug key about one vCPU.
final class VcpuDebug {
    private static final double MILLIS = 1e3;
    private static final double NANOS = 1e9;

    private static final List<List<Gpr>> GENERAL =
            List.of(
                    List.of(Gpr.RAX, Gpr.RBX, Gpr.RCX, Gpr.RDX),
                    List.of(Gpr.RSI, Gpr.RDI, Gpr.RBP, Gpr.RSP),
                    List.of(Gpr.R8, Gpr.R9, Gpr.R10, Gpr.R11),
                    List.of(Gpr.R12, Gpr.R13, Gpr.R14, Gpr.R15));

    private VcpuDebug() {}

    /// Its thread, without an exit of the vCPU.
    static void thread(Vcpu vcpu, DebugRows rows) {
        ThreadActivity activity = vcpu.activity();
        rows.add(
                "%s: %s, last on CPU %d, %.2f s of CPU time",
                vcpu,
                activity.active() ? "runs" : "sleeps",
                activity.cpu(),
                activity.cpuTime().toMillis() / MILLIS);
    }

    /// How it has spent its time.
    static void runstate(Vcpu vcpu, Runstate account, DebugRows rows) {
        rows.add(
                "%s: running %.3f s, runnable %.3f s, blocked %.3f s, offline %.3f s",
                vcpu,
                account.timeRunning() / NANOS,
                account.timeRunnable() / NANOS,
                account.timeBlocked() / NANOS,
                account.timeOffline() / NANOS);
    }

    static void timers(Vcpu vcpu, VcpuTimer.State state, DebugRows rows) {
        rows.add(
                "%s: one-shot timer %s, period %s",
                vcpu,
                state.deadline() == 0 ? "none" : "at %.6f s".formatted(state.deadline() / NANOS),
                state.period() == 0 ? "none" : "%.6f s".formatted(state.period() / NANOS));
    }

    /// General registers.
    static void registers(Vcpu vcpu, VcpuRegisters registers, DebugRows rows) {
        KvmRegs general = registers.general();
        rows.add(
                "%s: rip %04x:%016x rflags %08x",
                vcpu,
                registers.system().segment(Segment.Name.CS).selector(),
                general.get(Gpr.RIP),
                general.get(Gpr.RFLAGS));
        for (List<Gpr> row : GENERAL) {
            rows.add(
                    vcpu
                            + ": "
                            + row.stream()
                                    .map(one -> "%s %016x".formatted(name(one), general.get(one)))
                                    .collect(Collectors.joining(" ")));
        }
    }

    private static String name(Enum<?> register) {
        return register.name().toLowerCase(Locale.ROOT);
    }

    /// Control registers, segments and tables, as KVM has them.
    static void processor(Vcpu vcpu, MpState state, KvmSregs system, DebugRows rows) {
        rows.add(
                "%s: %s, cr0 %08x cr2 %016x cr3 %016x cr4 %08x efer %08x apic base %016x",
                vcpu,
                name(state),
                system.cr0(),
                system.cr2(),
                system.cr3(),
                system.cr4(),
                system.efer(),
                system.apicBase());
        for (Segment.Name name : Segment.Name.values()) {
            Segment segment = system.segment(name);
            rows.add(
                    "%s: %s %04x base %016x limit %08x%s",
                    vcpu,
                    name(name),
                    segment.selector(),
                    segment.base(),
                    segment.limit(),
                    segment.unusable() ? ", not loaded" : "");
        }
        rows.add(
                "%s: gdt base %016x limit %04x, idt base %016x limit %04x",
                vcpu,
                system.gdt().base(),
                system.gdt().limit(),
                system.idt().base(),
                system.idt().limit());
    }
}
