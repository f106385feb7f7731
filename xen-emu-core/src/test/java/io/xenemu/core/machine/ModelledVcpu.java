package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.CpuidEntry;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.Segment;
import java.util.HexFormat;
import java.util.Locale;
import java.util.UUID;

/// A vCPU of KVM that gets a processor from a [VcpuModel], and runs 16-bit code on it. Needs /dev/kvm.
final class ModelledVcpu implements AutoCloseable {
    private static final int CODE = 0xa000;
    private static final int HANDLER = 0xa100;
    private static final int GENERAL_PROTECTION_VECTOR = 13;
    private static final int FAULT_PORT = 0x11;

    private final KvmDomain kvm;
    private final KvmSystem system;
    private final KvmVcpu vcpu;

    ModelledVcpu() throws BootException, XenError {
        kvm = new KvmDomain(1);
        system = KvmSystem.open(KvmSystem.DEVICE);
        vcpu = kvm.vcpu(0);
    }

    @Override
    public void close() {
        system.close();
        kvm.close();
    }

    KvmDomain kvm() {
        return kvm;
    }

    KvmSystem system() {
        return system;
    }

    KvmVcpu vcpu() {
        return vcpu;
    }

    /// A guest with this processor.
    static DomainConfig config(CpuConfig cpu) {
        return new DomainConfig(
                        "web",
                        new UUID(1, 2),
                        64 << 20,
                        2,
                        4 << 16 | 19,
                        new GrantLimits(4, 1, 2),
                        EventChannelConfig.DEFAULT)
                .withCpu(cpu);
    }

    /// Gives the vCPU its processor.
    VcpuModel give(CpuConfig cpu) throws BootException {
        VcpuModel model = VcpuModel.of(system, config(cpu));
        model.applyTo(
                vcpu,
                model.leaves(vcpu, kvm.vm().getClock().clock(), 1, 1)
                        .leavesOf(new VcpuId(0), new DomId(7)));
        return model;
    }

    CpuidEntry leaf(int function, int index) {
        return vcpu.getCpuid().stream()
                .filter(entry -> entry.function() == function && entry.index() == index)
                .findFirst()
                .orElseThrow();
    }

    /// Whether a guest's read of an MSR is a general protection fault.
    boolean faultsOnRead(int msr) throws XenError {
        // rdmsr
        return faults(msr, "0f32");
    }

    /// Whether a guest's write of zero to an MSR is a general protection fault.
    boolean faultsOnWrite(int msr) throws XenError {
        // xor eax, eax; xor edx, edx; wrmsr
        return faults(msr, "6631c06631d2" + "0f30");
    }

    private boolean faults(int msr, String access) throws XenError {
        String index = String.format(Locale.ROOT, "%08x", Integer.reverseBytes(msr));
        // mov ecx, msr; the access; out 10, al
        run("66b9" + index + access + "e610");
        assertEquals(ExitReason.IO, vcpu.run().exitReason());
        return vcpu.run().ioPort() == FAULT_PORT;
    }

    /// Runs 16-bit code up to its next exit. A general protection fault writes to a port.
    void run(String code) throws XenError {
        put(CODE, code);
        put(HANDLER, "e611");
        kvm.test().memory().write32(GENERAL_PROTECTION_VECTOR * Integer.BYTES, HANDLER);
        Segment flat = new Segment(0, 0xffff, 0, 11, true, 0, false, true, false, false, false);
        vcpu.setSregs(vcpu.getSregs().segment(Segment.Name.CS, flat));
        vcpu.setRegs(new KvmRegs().set(Gpr.RIP, CODE).set(Gpr.RFLAGS, 2));
        assertEquals(0, vcpu.enter());
    }

    private void put(int address, String code) throws XenError {
        byte[] bytes = HexFormat.of().parseHex(code);
        kvm.test().memory().copyOut(bytes, 0, address, bytes.length);
    }
}
