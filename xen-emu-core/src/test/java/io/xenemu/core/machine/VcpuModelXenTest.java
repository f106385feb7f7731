package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuidOverrides;
import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.cpuid.Viridian;
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
import io.xenemu.kvm.ioctl.XenCapability;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What a vCPU's CPUID and MSRs are on a KVM that gives a guest just what it is told, with Hyper-V's interfaces: on one
/// with Xen. [VcpuModelTest] has the rest.
@Timeout(60)
final class VcpuModelXenTest {
    private static final int CODE = 0xa000;
    private static final int HANDLER = 0xa100;
    private static final int GENERAL_PROTECTION_VECTOR = 13;
    private static final int FAULT_PORT = 0x11;
    private static final long HYPER_V_PAGE = 0x9000;
    private static final int EDX1_SSE2 = 1 << 26;
    private static final int ECX1_SSE3 = 1;

    private final KvmDomain kvm = withXen();
    private final KvmSystem system = KvmSystem.open(KvmSystem.DEVICE);
    private final KvmVcpu vcpu = kvm.vcpu(0);

    private static KvmDomain withXen() throws BootException, XenError {
        KvmDomain.assumeXen();
        return new KvmDomain(1);
    }

    VcpuModelXenTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        system.close();
        kvm.close();
    }

    private static CpuConfig cpu(List<String> cpuid, List<String> viridian) {
        return new CpuConfig(
                null,
                CpuidOverrides.parse(cpuid),
                TscMode.DEFAULT,
                Viridian.parse(viridian),
                false);
    }

    private static DomainConfig config(CpuConfig cpu) {
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

    private VcpuModel give(CpuConfig cpu) throws BootException {
        VcpuModel model = VcpuModel.of(system, config(cpu));
        model.applyTo(
                vcpu,
                model.leaves(vcpu, kvm.vm().getClock().clock())
                        .leavesOf(new VcpuId(0), new DomId(7)));
        return model;
    }

    private CpuidEntry leaf(int function, int index) {
        return vcpu.getCpuid().stream()
                .filter(entry -> entry.function() == function && entry.index() == index)
                .findFirst()
                .orElseThrow();
    }

    @Test
    void featureThatIsOffIsGone() throws BootException {
        give(cpu(List.of("host,sse3=0"), List.of()));

        assertEquals(0, leaf(1, 0).ecx() & ECX1_SSE3);
        assertEquals(EDX1_SSE2, leaf(1, 0).edx() & EDX1_SSE2);
    }

    @Test
    void nestedVirtualisationIsGivenOrRefused() throws BootException {
        CpuConfig nested =
                new CpuConfig(null, CpuidOverrides.NONE, TscMode.DEFAULT, Viridian.NONE, true);
        int svm = 1 << 2;
        int vmx = 1 << 5;
        boolean possible =
                system.supportedCpuid().stream()
                        .anyMatch(entry ->
                                (entry.function() == 0x8000_0001 && (entry.ecx() & svm) != 0)
                                        || (entry.function() == 1 && (entry.ecx() & vmx) != 0));
        if (possible) {
            give(nested);
            assertTrue((leaf(0x8000_0001, 0).ecx() & svm) != 0 || (leaf(1, 0).ecx() & vmx) != 0);
        } else {
            String refusal =
                    assertThrows(BootException.class, () -> VcpuModel.of(system, config(nested)))
                            .getMessage();
            assertTrue(refusal.startsWith("web: nestedhvm: "), refusal);
        }
    }

    /// The vCPU's index (VP_INDEX) is of the group base; the reset MSR is of no group that Xen has.
    @Test
    void guestHasTheMsrsOfItsGroupsAlone() throws BootException, XenError {
        give(cpu(List.of(), List.of("base")));

        assertEquals(0x4000_0006, leaf(0x4000_0000, 0).eax());
        assertEquals(0x566e_6558, leaf(0x4000_0100, 0).ebx());
        assertFalse(faults(0x4000_0002), "VP_INDEX");
        assertTrue(faults(0x4000_0003), "RESET");
        assertTrue(faults(0x4000_0020), "TIME_REF_COUNT");
        assertTrue(faults(0x4000_0080), "SCONTROL");
    }

    @Test
    void syntheticInterruptControllerAndTimersAreOn() throws BootException, XenError {
        give(cpu(List.of(), List.of("base,stimer")));

        assertFalse(faults(0x4000_0020), "TIME_REF_COUNT");
        assertFalse(faults(0x4000_0080), "SCONTROL");
        assertFalse(faults(0x4000_00b0), "STIMER0_CONFIG");
    }

    @Test
    void crashOfAnEnlightenedGuestIsAnExit() throws BootException, XenError {
        give(cpu(List.of(), List.of("defaults")));
        // mov ecx, CRASH_CTL; xor eax, eax; mov edx, 8000_0000; wrmsr; out 10, al
        run("66b905010040" + "6631c0" + "66ba00000080" + "0f30" + "e610");
        assertEquals(ExitReason.SYSTEM_EVENT, vcpu.run().exitReason());
        assertEquals(3, vcpu.run().systemEventType());
    }

    /// KVM fills Hyper-V's hypercall page. Bit 31 of EAX tells these calls from Xen's, which still are exits.
    @Test
    void callsOfXenAndOfHyperVAreTold() throws BootException, XenError {
        CpuConfig config = cpu(List.of(), List.of("defaults"));
        kvm.vm().xenHvmConfig(Set.of(XenCapability.INTERCEPT_HCALL), config.hypercallMsr());
        VcpuModel model = give(config);
        String call = model.isAmd() ? "0f01d9" : "0f01c1";
        // mov ecx, GUEST_OS_ID; mov eax, 1; xor edx, edx; wrmsr
        // mov ecx, HYPERCALL; mov eax, page and 1; wrmsr; out 10, al
        run(
                "66b900000040"
                        + "66b801000000"
                        + "6631d2"
                        + "0f30"
                        + "66b901000040"
                        + "66b801900000"
                        + "0f30"
                        + "e610");
        assertEquals(ExitReason.IO, vcpu.run().exitReason());
        byte[] page = new byte[9];
        kvm.test().memory().copyIn(HYPER_V_PAGE, page, 0, page.length);
        assertEquals("0d00000080" + call + "c3", HexFormat.of().formatHex(page));

        // mov eax, 17; vmcall or vmmcall
        run("66b811000000" + call);
        assertEquals(ExitReason.XEN, vcpu.run().exitReason());
        assertEquals(17, vcpu.run().xenInput());
    }

    private boolean faults(int msr) throws XenError {
        String index = String.format(Locale.ROOT, "%08x", Integer.reverseBytes(msr));
        // mov ecx, msr; rdmsr; out 10, al
        run("66b9" + index + "0f32" + "e610");
        assertEquals(ExitReason.IO, vcpu.run().exitReason());
        return vcpu.run().ioPort() == FAULT_PORT;
    }

    /// Runs 16-bit code up to its next exit. A general protection fault writes to a port.
    private void run(String code) throws XenError {
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
