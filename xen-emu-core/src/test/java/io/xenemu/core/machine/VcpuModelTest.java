package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.cpuid.CannotOfferException;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuPolicy;
import io.xenemu.core.cpuid.CpuidOverrides;
import io.xenemu.core.cpuid.HostPolicy;
import io.xenemu.core.cpuid.PolicyFile;
import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.cpuid.Viridian;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The processor as a vCPU of KVM has it. Needs /dev/kvm. [VcpuModelXenTest] has what not every KVM does.
@Timeout(60)
final class VcpuModelTest {
    private final ModelledVcpu guest = new ModelledVcpu();

    VcpuModelTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    @Test
    void guestIsToldOfXenAndKeepsItsPolicy() throws BootException {
        VcpuModel model = guest.give(CpuConfig.DEFAULT);

        assertEquals(0x566e_6558, guest.leaf(0x4000_0000, 0).ebx());
        assertEquals(guest.vcpu().getTscKhz(), guest.leaf(0x4000_0003, 0).ecx());
        assertEquals(1, guest.leaf(0x4000_0003, 0).edx());
        long offset =
                Integer.toUnsignedLong(guest.leaf(0x4000_0003, 1).eax())
                        | (long) guest.leaf(0x4000_0003, 1).ebx() << 32;
        long sinceZero =
                (long)
                        (guest.vcpu().getMsrs(0x10).getFirst().data()
                                * (1e6 / guest.vcpu().getTscKhz()));
        long wrong = guest.kvm().vm().getClock().clock() - sinceZero - offset;
        assertTrue(Math.abs(wrong) < 60_000_000_000L, "the offset is wrong by " + wrong + " ns");
        assertEquals(7, guest.leaf(0x4000_0004, 0).ecx());
        CpuConfig built = model.config().cpu();
        assertEquals(model.policy(), built.policy());
        assertEquals(model.policy(), VcpuModel.of(guest.system(), model.config()).policy());
    }

    @Test
    void hostCanOfferItsOwnBaselineAndNotMore() throws BootException, CannotOfferException {
        CpuPolicy baseline = HostPolicy.baseline(VcpuModel.offerable(guest.system()));
        CpuPolicy read = PolicyFile.parse(PolicyFile.format(baseline));
        assertEquals(baseline, read);
        CpuConfig config =
                new CpuConfig(read, CpuidOverrides.NONE, TscMode.DEFAULT, Viridian.NONE, false);
        assertEquals(baseline, guest.give(config).policy());

        String more =
                PolicyFile.format(baseline)
                        .lines()
                        .map(VcpuModelTest::withAllFeatures)
                        .reduce("", (all, line) -> all + line + "\n");
        CpuConfig greedy =
                new CpuConfig(
                        PolicyFile.parse(more),
                        CpuidOverrides.NONE,
                        TscMode.DEFAULT,
                        Viridian.NONE,
                        false);
        String refusal =
                assertThrows(
                                BootException.class,
                                () -> VcpuModel.of(guest.system(), ModelledVcpu.config(greedy)))
                        .getMessage();
        assertTrue(
                refusal.startsWith("web: cpu_baseline: a guest of this host cannot have "),
                refusal);
        assertEquals(1, refusal.lines().count());
    }

    private static String withAllFeatures(String line) {
        return line.startsWith("0x1 ") ? line.replaceAll("ecx=\\w+", "ecx=0xffffffff") : line;
    }

    /// KVM's clock, Hyper-V's index, and Xen's hypercall page where nobody traps it.
    @ParameterizedTest
    @ValueSource(ints = {0x4b56_4d00, 0x11, 0x4000_0002, 0x4000_0000, 0x4000_0001})
    void guestHasNoMsrsOfOtherHypervisors(int msr) throws BootException, XenError {
        guest.give(CpuConfig.DEFAULT);
        assertTrue(guest.faultsOnWrite(msr));
    }
}
