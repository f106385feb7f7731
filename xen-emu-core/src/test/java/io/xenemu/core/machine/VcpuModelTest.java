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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The processor as a vCPU of KVM has it. Needs /dev/kvm. [VcpuModelXenTest] has what not every KVM does.
@Timeout(60)
final class VcpuModelTest {
    private static final int CODE = 0xa000;
    private static final int HANDLER = 0xa100;
    private static final int GENERAL_PROTECTION_VECTOR = 13;
    private static final int FAULT_PORT = 0x11;

    private final KvmDomain kvm = new KvmDomain(1);
    private final KvmSystem system = KvmSystem.open(KvmSystem.DEVICE);
    private final KvmVcpu vcpu = kvm.vcpu(0);

    VcpuModelTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        system.close();
        kvm.close();
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
    void guestIsToldOfXenAndKeepsItsPolicy() throws BootException {
        VcpuModel model = give(CpuConfig.DEFAULT);

        assertEquals(0x566e_6558, leaf(0x4000_0000, 0).ebx());
        assertEquals(vcpu.getTscKhz(), leaf(0x4000_0003, 0).ecx());
        assertEquals(1, leaf(0x4000_0003, 0).edx());
        long offset =
                Integer.toUnsignedLong(leaf(0x4000_0003, 1).eax())
                        | (long) leaf(0x4000_0003, 1).ebx() << 32;
        long sinceZero = (long) (vcpu.getMsrs(0x10).getFirst().data() * (1e6 / vcpu.getTscKhz()));
        long wrong = kvm.vm().getClock().clock() - sinceZero - offset;
        assertTrue(Math.abs(wrong) < 60_000_000_000L, "the offset is wrong by " + wrong + " ns");
        assertEquals(7, leaf(0x4000_0004, 0).ecx());
        CpuConfig built = model.config().cpu();
        assertEquals(model.policy(), built.policy());
        assertEquals(model.policy(), VcpuModel.of(system, model.config()).policy());
    }

    @Test
    void hostCanOfferItsOwnBaselineAndNotMore() throws BootException, CannotOfferException {
        CpuPolicy baseline = HostPolicy.baseline(VcpuModel.offerable(system));
        CpuPolicy read = PolicyFile.parse(PolicyFile.format(baseline));
        assertEquals(baseline, read);
        CpuConfig config =
                new CpuConfig(read, CpuidOverrides.NONE, TscMode.DEFAULT, Viridian.NONE, false);
        assertEquals(baseline, give(config).policy());

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
                assertThrows(BootException.class, () -> VcpuModel.of(system, config(greedy)))
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
        give(CpuConfig.DEFAULT);
        assertTrue(faults(msr));
    }

    private boolean faults(int msr) throws XenError {
        String index = String.format(Locale.ROOT, "%08x", Integer.reverseBytes(msr));
        // mov ecx, msr; xor eax, eax; xor edx, edx; wrmsr; out 10, al
        run("66b9" + index + "6631c06631d2" + "0f30" + "e610");
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
