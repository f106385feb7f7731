package io.xenemu.core.machine;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.machine.state.ClockPolicy;
import io.xenemu.core.machine.state.GuestTime;
import io.xenemu.core.machine.state.KernelBytes;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.machine.state.KvmStateException;
import io.xenemu.core.machine.state.SavedMsrs;
import io.xenemu.core.machine.state.VcpuState;
import io.xenemu.core.machine.state.VmState;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.ioctl.Segment;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import java.util.List;

/// A real VM of two vCPUs in real mode, without Xen. The first counts the ticks of the timer chip, and exits at each.
/// The second waits for its start.
final class TickingVm implements AutoCloseable {
    static final int CODE = 0x1000;

    private static final long RAM = 0x10000;
    private static final int HANDLER = 0x2000;

    /// Vector 0x40 in the real-mode vector table.
    private static final long VECTOR_ENTRY = 0x40 * 4;

    /// Enables the local APIC, which ES has, and lets pin 2 of the I/O APIC, which DS has, raise vector 0x40. Has the
    /// PIT tick each 10 ms. Then `sti`, and `hlt` for ever.
    private static final String BOOT =
            "26 66 c7 06 f0 00 ff 01 00 00"
                    + " 66 c7 06 00 00 15 00 00 00 66 c7 06 10 00 00 00 00 00"
                    + " 66 c7 06 00 00 14 00 00 00 66 c7 06 10 00 40 00 00 00"
                    + " b0 34 e6 43 b0 9c e6 40 b0 2e e6 40"
                    + " 31 c9 bc 00 80 fb f4 eb fd";

    /// Counts in CX; out 10, al, which exits; the end of the interrupt; iret.
    private static final String HANDLE = "41 e6 10 26 66 c7 06 b0 00 00 00 00 00 cf";

    final KvmSystem system = KvmSystem.open(KvmSystem.DEVICE);
    final KvmVm vm = system.createVm();
    final List<KvmVcpu> vcpus;
    private final MemFd ram = MemFd.create("ticking", RAM);
    final MemorySegment memory = ram.map(0, RAM);

    /// One that has not run.
    TickingVm() {
        vm.setMemoryRegion(0, 0, 0, memory);
        DomainBuilder.createInterruptChips(vm);
        vcpus = List.of(vm.createVcpu(new VcpuId(0)), vm.createVcpu(new VcpuId(1)));
        vcpus.forEach(vcpu -> vcpu.setCpuid(system.supportedCpuid()));
    }

    /// Lets the first vCPU begin.
    void boot() {
        put(CODE, BOOT);
        put(HANDLER, HANDLE);
        memory.set(JAVA_INT, VECTOR_ENTRY, HANDLER);
        KvmVcpu vcpu = boot0();
        vcpu.setSregs(
                vcpu.getSregs()
                        .segment(Segment.Name.CS, flat(0, 11))
                        .segment(Segment.Name.DS, flat(GuestMemoryMap.IOAPIC_START, 3))
                        .segment(Segment.Name.ES, flat(GuestMemoryMap.LAPIC_START, 3)));
        vcpu.setRegs(new KvmRegs().set(Gpr.RIP, CODE).set(Gpr.RFLAGS, 2));
    }

    KvmVcpu boot0() {
        return vcpus.getFirst();
    }

    /// Runs the first vCPU until its next exit by I/O.
    ///
    /// @return the ticks that it has counted
    long tick() {
        KvmVcpu vcpu = boot0();
        if (vcpu.enter() != 0 || vcpu.run().exitReason() != ExitReason.IO) {
            throw new AssertionError("no tick: " + vcpu.run().exitReason());
        }
        return vcpu.getRegs().get(Gpr.RCX);
    }

    /// Completes the last exit, as a vCPU that parks.
    void park() {
        boot0().run().requestImmediateExit();
        if (boot0().enter() != Errno.EINTR) {
            throw new AssertionError("has run on");
        }
        boot0().run().clearImmediateExit();
    }

    /// Its state; the timer chip stands still afterwards.
    KvmState capture() {
        KernelBytes pit = new KernelBytes(vm.stopPit2());
        int[] msrs = SavedMsrs.of(system.msrIndexList());
        int xsave = vm.checkExtension(KvmCapability.XSAVE2);
        return new KvmState(
                new VmState(VmState.captureChips(vm), pit, GuestTime.now(vm, boot0()), 1),
                vcpus.stream().map(vcpu -> VcpuState.capture(vcpu, msrs, xsave)).toList());
    }

    /// Gives it the state and the memory of another one.
    void restore(KvmState state, TickingVm other, ClockPolicy clock) throws KvmStateException {
        memory.copyFrom(other.memory);
        state.applyTime(vm, vcpus, clock);
        state.applyTo(vm, vcpus, vm.checkExtension(KvmCapability.XSAVE2));
    }

    private static Segment flat(long base, int type) {
        return new Segment(base, 0xffff, 0, type, true, 0, false, true, false, false, false);
    }

    private void put(long at, String code) {
        byte[] bytes = HexFormat.of().parseHex(code.replace(" ", ""));
        MemorySegment.copy(bytes, 0, memory, JAVA_BYTE, at, bytes.length);
    }

    @Override
    public void close() {
        vcpus.forEach(KvmVcpu::close);
        vm.close();
        ram.close();
        system.close();
    }
}
