package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.HypercallPage;
import io.xenemu.core.machine.HypercallMsr;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.Segment;
import java.util.HexFormat;

/// Has vCPU 0 of a [KvmDomain] write and read the hypercall MSR, in real mode, and serves that.
public final class MsrWriter {
    /// Where the vCPU arrives after a write.
    public enum Arrival {
        WRITTEN,
        GENERAL_PROTECTION
    }

    private static final int CODE = 0xa000;
    private static final int HANDLER = 0xa100;
    private static final int GENERAL_PROTECTION_VECTOR = 13;
    private static final int WRITTEN_PORT = 0x10;

    private final TestDomain test;
    private final KvmVcpu vcpu;
    private final HypercallMsr msr;

    public MsrWriter(KvmDomain kvm) {
        this.test = kvm.test();
        this.vcpu = kvm.vcpu(0);
        this.msr = new HypercallMsr(test.domain(), vcpu, new HypercallPage(true));
    }

    public Arrival write(long value) throws XenError {
        // mov ecx, 4000_0000; mov eax, value; xor edx, edx; wrmsr; out 10, al
        String code = "66b900000040" + "66b8%08x".formatted(Integer.reverseBytes((int) value));
        start(code + "6631d2" + "0f30" + "e610");
        // out 11, al
        put(HANDLER, "e611");
        test.memory().write32(GENERAL_PROTECTION_VECTOR * Integer.BYTES, HANDLER);
        assertEquals(0, vcpu.enter());
        assertEquals(ExitReason.X86_WRMSR, vcpu.run().exitReason());
        msr.write();
        assertEquals(0, vcpu.enter());
        boolean written = vcpu.run().ioPort() == WRITTEN_PORT;
        return written ? Arrival.WRITTEN : Arrival.GENERAL_PROTECTION;
    }

    /// The low byte.
    public int read() throws XenError {
        // mov ecx, 4000_0000; mov al, ff; rdmsr; out 10, al
        start("66b900000040" + "b0ff" + "0f32" + "e610");
        assertEquals(0, vcpu.enter());
        assertEquals(ExitReason.X86_RDMSR, vcpu.run().exitReason());
        msr.read();
        assertEquals(0, vcpu.enter());
        return vcpu.run().ioData(0);
    }

    private void start(String code) throws XenError {
        put(CODE, code);
        Segment flat = new Segment(0, 0xffff, 0, 11, true, 0, false, true, false, false, false);
        vcpu.setSregs(vcpu.getSregs().segment(Segment.Name.CS, flat));
        vcpu.setRegs(new KvmRegs().set(Gpr.RIP, CODE).set(Gpr.RFLAGS, 2));
    }

    private void put(int address, String code) throws XenError {
        byte[] bytes = HexFormat.of().parseHex(code);
        test.memory().copyOut(bytes, 0, address, bytes.length);
    }
}
