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
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.XenCapability;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What a vCPU's CPUID and MSRs are on a KVM that gives a guest just what it is told, with Hyper-V's interfaces: on one
/// with Xen. [VcpuModelTest] has the rest.
@Timeout(60)
final class VcpuModelXenTest {
    private static final long HYPER_V_PAGE = 0x9000;
    private static final int EDX1_SSE2 = 1 << 26;
    private static final int ECX1_SSE3 = 1;

    private final ModelledVcpu guest = withXen();

    private static ModelledVcpu withXen() throws BootException, XenError {
        KvmDomain.assumeXen();
        return new ModelledVcpu();
    }

    VcpuModelXenTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    private static CpuConfig cpu(List<String> cpuid, List<String> viridian) {
        return new CpuConfig(
                null,
                CpuidOverrides.parse(cpuid),
                TscMode.DEFAULT,
                Viridian.parse(viridian),
                false);
    }

    @Test
    void featureThatIsOffIsGone() throws BootException {
        guest.give(cpu(List.of("host,sse3=0"), List.of()));

        assertEquals(0, guest.leaf(1, 0).ecx() & ECX1_SSE3);
        assertEquals(EDX1_SSE2, guest.leaf(1, 0).edx() & EDX1_SSE2);
    }

    @Test
    void nestedVirtualisationIsGivenOrRefused() throws BootException {
        CpuConfig nested =
                new CpuConfig(null, CpuidOverrides.NONE, TscMode.DEFAULT, Viridian.NONE, true);
        int svm = 1 << 2;
        int vmx = 1 << 5;
        boolean possible =
                guest.system().supportedCpuid().stream()
                        .anyMatch(entry ->
                                (entry.function() == 0x8000_0001 && (entry.ecx() & svm) != 0)
                                        || (entry.function() == 1 && (entry.ecx() & vmx) != 0));
        if (possible) {
            guest.give(nested);
            assertTrue(
                    (guest.leaf(0x8000_0001, 0).ecx() & svm) != 0
                            || (guest.leaf(1, 0).ecx() & vmx) != 0);
        } else {
            String refusal =
                    assertThrows(
                                    BootException.class,
                                    () -> VcpuModel.of(guest.system(), ModelledVcpu.config(nested)))
                            .getMessage();
            assertTrue(refusal.startsWith("web: nestedhvm: "), refusal);
        }
    }

    /// The vCPU's index (VP_INDEX) is of the group base; the reset MSR is of no group that Xen has.
    @Test
    void guestHasTheMsrsOfItsGroupsAlone() throws BootException, XenError {
        guest.give(cpu(List.of(), List.of("base")));

        assertEquals(0x4000_0006, guest.leaf(0x4000_0000, 0).eax());
        assertEquals(0x566e_6558, guest.leaf(0x4000_0100, 0).ebx());
        assertFalse(guest.faultsOnRead(0x4000_0002), "VP_INDEX");
        assertTrue(guest.faultsOnRead(0x4000_0003), "RESET");
        assertTrue(guest.faultsOnRead(0x4000_0020), "TIME_REF_COUNT");
        assertTrue(guest.faultsOnRead(0x4000_0080), "SCONTROL");
    }

    @Test
    void syntheticInterruptControllerAndTimersAreOn() throws BootException, XenError {
        guest.give(cpu(List.of(), List.of("base,stimer")));

        assertFalse(guest.faultsOnRead(0x4000_0020), "TIME_REF_COUNT");
        assertFalse(guest.faultsOnRead(0x4000_0080), "SCONTROL");
        assertFalse(guest.faultsOnRead(0x4000_00b0), "STIMER0_CONFIG");
    }

    @Test
    void crashOfAnEnlightenedGuestIsAnExit() throws BootException, XenError {
        guest.give(cpu(List.of(), List.of("defaults")));
        // mov ecx, CRASH_CTL; xor eax, eax; mov edx, 8000_0000; wrmsr; out 10, al
        guest.run("66b905010040" + "6631c0" + "66ba00000080" + "0f30" + "e610");
        assertEquals(ExitReason.SYSTEM_EVENT, guest.vcpu().run().exitReason());
        assertEquals(3, guest.vcpu().run().systemEventType());
    }

    /// KVM fills Hyper-V's hypercall page. Bit 31 of EAX tells these calls from Xen's, which still are exits.
    @Test
    void callsOfXenAndOfHyperVAreTold() throws BootException, XenError {
        CpuConfig config = cpu(List.of(), List.of("defaults"));
        guest.kvm().vm().xenHvmConfig(Set.of(XenCapability.INTERCEPT_HCALL), config.hypercallMsr());
        VcpuModel model = guest.give(config);
        String call = model.isAmd() ? "0f01d9" : "0f01c1";
        // mov ecx, GUEST_OS_ID; mov eax, 1; xor edx, edx; wrmsr
        // mov ecx, HYPERCALL; mov eax, page and 1; wrmsr; out 10, al
        guest.run(
                "66b900000040"
                        + "66b801000000"
                        + "6631d2"
                        + "0f30"
                        + "66b901000040"
                        + "66b801900000"
                        + "0f30"
                        + "e610");
        assertEquals(ExitReason.IO, guest.vcpu().run().exitReason());
        byte[] page = new byte[9];
        guest.kvm().test().memory().copyIn(HYPER_V_PAGE, page, 0, page.length);
        assertEquals("0d00000080" + call + "c3", HexFormat.of().formatHex(page));

        // mov eax, 17; vmcall or vmmcall
        guest.run("66b811000000" + call);
        assertEquals(ExitReason.XEN, guest.vcpu().run().exitReason());
        assertEquals(17, guest.vcpu().run().xenInput());
    }
}
