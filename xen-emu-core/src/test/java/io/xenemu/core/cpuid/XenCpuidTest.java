package io.xenemu.core.cpuid;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class XenCpuidTest {
    private static final int AMD = 0x6874_7541;
    private static final int INTEL = 0x756e_6547;
    private static final DomId DOMAIN = new DomId(7);

    private static CpuidEntry leaf(int function, int eax, int ebx, int ecx, int edx) {
        return new CpuidEntry(function, 0, 0, eax, ebx, ecx, edx);
    }

    private static CpuidEntry sub(int function, int index, int eax) {
        return new CpuidEntry(
                function, index, CpuidEntry.SIGNIFICANT_INDEX, eax, 0xffff, 0xffff, 0);
    }

    private static List<CpuidEntry> supported(int vendor) {
        return List.of(
                leaf(0, 0x1f, vendor, 0, 0),
                leaf(1, 0x800f12, 0x5510_0800, ~(1 << 31 | 1 << 24 | 1 << 21), -1),
                sub(4, 0, 0xffff_c121),
                sub(4, 3, 0xffff_c163),
                sub(4, 4, 0),
                leaf(5, 64, 64, 3, 0),
                sub(7, 0, 1),
                leaf(0xa, -1, -1, -1, -1),
                sub(0xb, 0, 1),
                leaf(0x4000_0000, 0x4000_0001, 0x4b4d_564b, 0x564b_4d56, 0x4d),
                leaf(0x4000_0001, -1, 0, 0, 0),
                leaf(0x8000_0001, 0, 0, -1, 0),
                leaf(0x8000_0008, 0x3030, 0, 0x7fff, 0),
                leaf(0x8000_000a, 1, 8, 0, -1),
                sub(0x8000_001d, 0, 0xffff_c121),
                leaf(0x8000_001e, 99, 0xffff, 0xffff, 0));
    }

    private static List<CpuidEntry> leaves(int vendor, int vcpus, int vcpu) {
        return leaves(vendor, vcpus, vcpu, CpuConfig.DEFAULT);
    }

    private static List<CpuidEntry> leaves(int vendor, int vcpus, int vcpu, CpuConfig config) {
        CpuPolicy policy =
                HostPolicy.defaults(HostPolicy.offerable(supported(vendor), 0), config.nested());
        TscInfo tsc = new TscInfo(config.tscMode(), 2_400_000, 0x1_0000_0002L, true, true);
        return new XenCpuid(policy, vcpus, config.viridian(), new XenLeaves(config, 4, 19, tsc, 1))
                .leavesOf(new VcpuId(vcpu), DOMAIN);
    }

    private static Optional<CpuidEntry> find(List<CpuidEntry> leaves, int function, int index) {
        return leaves.stream()
                .filter(leaf -> leaf.function() == function && leaf.index() == index)
                .findFirst();
    }

    private static CpuidEntry get(List<CpuidEntry> leaves, int function, int index) {
        return find(leaves, function, index).orElseThrow();
    }

    @Test
    void xenReplacesKvmAsTheHypervisor() {
        List<CpuidEntry> leaves = leaves(AMD, 2, 1);
        CpuidEntry base = get(leaves, 0x4000_0000, 0);
        assertEquals(0x4000_0005, base.eax());
        assertEquals(0x566e_6558, base.ebx());
        assertEquals(0x6558_4d4d, base.ecx());
        assertEquals(0x4d4d_566e, base.edx());
        assertEquals(4 << 16 | 19, get(leaves, 0x4000_0001, 0).eax());
        assertEquals(1, get(leaves, 0x4000_0002, 0).eax());
        assertEquals(0x4000_0000, get(leaves, 0x4000_0002, 0).ebx());
        CpuidEntry features = get(leaves, 0x4000_0004, 0);
        assertEquals(1 << 2 | 1 << 3 | 1 << 4 | 1 << 6, features.eax());
        assertEquals(CpuidEntry.SIGNIFICANT_INDEX, features.flags());
        assertEquals(1, features.ebx());
        assertEquals(7, features.ecx());
    }

    @Test
    void x87PointersAreWideIfTheProcessorSavesNoSelectors() {
        assertEquals(0, XenCpuid.x87FipWidth(List.of(leaf(1, 0, 1 << 13, 0, 0))));
        assertEquals(0, XenCpuid.x87FipWidth(List.of(leaf(7, 0, ~(1 << 13), 0, 0))));
        assertEquals(8, XenCpuid.x87FipWidth(List.of(leaf(7, 0, 1 << 13, 0, 0))));
    }

    @Test
    void noLeafIsListedTwice() {
        var seen = new HashSet<List<Integer>>();
        for (CpuidEntry leaf : leaves(INTEL, 4, 0)) {
            assertTrue(seen.add(List.of(leaf.function(), leaf.index())), leaf.toString());
        }
    }

    @Test
    void tscLeavesAgreeWithTheFrequency() {
        List<CpuidEntry> leaves = leaves(AMD, 1, 0);
        assertEquals(2_400_000, get(leaves, 0x4000_0003, 0).ecx());
        assertEquals(0, get(leaves, 0x4000_0003, 0).ebx());
        assertEquals(2_400_000, get(leaves, 0x4000_0003, 2).eax());
        for (int khz : new int[] {100_000, 999_999, 1_000_000, 2_400_000, 5_000_000}) {
            TscInfo tsc = new TscInfo(TscMode.DEFAULT, khz, 0, true, true);
            double nanos =
                    Math.scalb((double) Integer.toUnsignedLong(tsc.multiplier()), tsc.shift() - 32);
            assertEquals(1e6 / khz, nanos, 1e-6);
            assertTrue(tsc.multiplier() < 0, "the highest bit is used");
        }
    }

    @Test
    void apicIdsOfAnImportedGuestAreTwiceTheVcpuIds() {
        CpuPolicy policy = HostPolicy.defaults(HostPolicy.offerable(supported(AMD), 0), false);
        TscInfo tsc = new TscInfo(TscMode.DEFAULT, 2_400_000, 0, true, true);
        XenLeaves xen = new XenLeaves(CpuConfig.DEFAULT, 4, 17, tsc, 2);
        List<CpuidEntry> leaves =
                new XenCpuid(policy, 3, 2, CpuConfig.DEFAULT.viridian(), xen)
                        .leavesOf(new VcpuId(2), DOMAIN);
        assertEquals(4, get(leaves, 1, 0).ebx() >>> 24);
        assertEquals(6, get(leaves, 1, 0).ebx() >>> 16 & 0xff);
        assertEquals(4, get(leaves, 0xb, 0).edx());
        assertEquals(3, get(leaves, 0xb, 1).eax());
        assertEquals(4, get(leaves, 0x8000_001e, 0).eax());
        // Xen's own number stays.
        assertEquals(2, get(leaves, 0x4000_0004, 0).ebx());
    }

    @Test
    void apicIdIsTheVcpuId() {
        for (int id = 0; id < 4; id++) {
            List<CpuidEntry> leaves = leaves(AMD, 4, id);
            assertEquals(id << 24 | 4 << 16 | 0x0800, get(leaves, 1, 0).ebx());
            assertEquals(id, get(leaves, 0xb, 0).edx());
            assertEquals(id, get(leaves, 0x1f, 1).edx());
            assertEquals(id, get(leaves, 0x8000_001e, 0).eax());
        }
    }

    @Test
    void topologyIsOneSocketOfSingleThreadedCores() {
        List<CpuidEntry> leaves = leaves(INTEL, 3, 2);
        assertEquals(0, get(leaves, 0xb, 0).eax());
        assertEquals(1, get(leaves, 0xb, 0).ebx());
        assertEquals(2, get(leaves, 0xb, 1).eax());
        assertEquals(3, get(leaves, 0xb, 1).ebx());
        assertEquals(2 << 8 | 1, get(leaves, 0xb, 1).ecx());
        assertEquals(0, get(leaves, 0xb, 2).ecx() >> 8);
        assertEquals(3 << 26 | 0x121, get(leaves, 4, 0).eax());
        assertEquals(3 << 26 | 3 << 14 | 0x163, get(leaves, 4, 3).eax());
    }

    @Test
    void amdCountsItsCores() {
        List<CpuidEntry> leaves = leaves(AMD, 4, 0);
        assertEquals(2 << 12 | 3, get(leaves, 0x8000_0008, 0).ecx() & 0xf0ff);
        assertEquals(2, get(leaves, 0x8000_0001, 0).ecx() & 2);
        assertEquals(0, get(leaves(AMD, 1, 0), 0x8000_0001, 0).ecx() & 2);
        assertEquals(0x7fff, get(leaves(INTEL, 4, 0), 0x8000_0008, 0).ecx());
    }

    @Test
    void oneVcpuHasNoHyperthreadingFlag() {
        assertEquals(0, get(leaves(AMD, 1, 0), 1, 0).edx() & 1 << 28);
        assertEquals(1 << 28, get(leaves(AMD, 2, 0), 1, 0).edx() & 1 << 28);
    }

    @Test
    void featuresThatAreNotEmulatedAreHidden() {
        List<CpuidEntry> leaves = leaves(AMD, 1, 0);
        int ecx = get(leaves, 1, 0).ecx();
        assertEquals(0, ecx & (1 << 3 | 1 << 5 | 1 << 6 | 1 << 15));
        assertEquals(0, get(leaves, 0x8000_0001, 0).ecx() & (1 << 2 | 1 << 29));
        assertFalse(find(leaves, 5, 0).isPresent());
        assertFalse(find(leaves, 0xa, 0).isPresent());
        assertFalse(find(leaves, 0x8000_000a, 0).isPresent());
    }

    @Test
    void featuresThatKvmEmulatesAreShown() {
        int ecx = get(leaves(AMD, 1, 0), 1, 0).ecx();
        int expected = 1 << 31 | 1 << 24 | 1 << 21;
        assertEquals(expected, ecx & expected);
    }

    @Test
    void timeLeafHasModeFrequencyIncarnationAndOffset() {
        CpuConfig config =
                new CpuConfig(null, CpuidOverrides.NONE, TscMode.NATIVE, Viridian.NONE, false);
        List<CpuidEntry> leaves = leaves(AMD, 1, 0, config);
        assertEquals(
                new CpuidEntry(0x4000_0003, 0, 1, 1 << 1 | 1 << 2, 2, 2_400_000, 1),
                get(leaves, 0x4000_0003, 0));
        assertEquals(2, get(leaves, 0x4000_0003, 1).eax());
        assertEquals(1, get(leaves, 0x4000_0003, 1).ebx());
        assertEquals(2_400_000, get(leaves, 0x4000_0003, 2).eax());
        TscInfo later = TscInfo.at(TscMode.DEFAULT, 2_000_000, 5_000, 6_000, false, false);
        assertEquals(2_000, later.offset());
    }

    @Test
    void xenIsAboveHyperV() {
        CpuConfig config =
                new CpuConfig(
                        null,
                        CpuidOverrides.NONE,
                        TscMode.DEFAULT,
                        Viridian.parse(List.of("defaults")),
                        false);
        List<CpuidEntry> leaves = leaves(AMD, 2, 1, config);
        CpuidEntry hyperV = get(leaves, 0x4000_0000, 0);
        assertEquals(0x4000_0006, hyperV.eax());
        assertEquals(0x7263_694d, hyperV.ebx());
        assertEquals(0x3123_7648, get(leaves, 0x4000_0001, 0).eax());
        assertEquals(-1, get(leaves, 0x4000_0005, 0).eax());
        assertEquals(0x4000_0105, get(leaves, 0x4000_0100, 0).eax());
        assertEquals(0x566e_6558, get(leaves, 0x4000_0100, 0).ebx());
        assertEquals(0x4000_0200, get(leaves, 0x4000_0102, 0).ebx());
        assertEquals(0x4000_0200, config.hypercallMsr());
        assertEquals(1, get(leaves, 0x4000_0104, 0).ebx());
    }

    @Test
    void operatorMayShortenXensLeavesToAtLeastThree() {
        for (int wanted : new int[] {0, 1, 2, 3, 4, 5, 6, 255}) {
            CpuConfig config =
                    new CpuConfig(
                            null,
                            CpuidOverrides.parse(List.of("host,maxhvleaf=" + wanted)),
                            TscMode.DEFAULT,
                            Viridian.NONE,
                            false);
            List<CpuidEntry> leaves = leaves(AMD, 1, 0, config);
            int last = wanted == 0 ? 5 : Math.clamp(wanted, 2, 5);
            assertEquals(0x4000_0000 + last, get(leaves, 0x4000_0000, 0).eax());
            assertEquals(
                    0x4000_0000 + last,
                    leaves.stream()
                            .mapToInt(CpuidEntry::function)
                            .filter(it -> it >>> 16 == 0x4000)
                            .max()
                            .orElseThrow());
        }
    }

    @Test
    void nestedVirtualisationIsShownOnlyWhenAskedFor() {
        CpuConfig config =
                new CpuConfig(null, CpuidOverrides.NONE, TscMode.DEFAULT, Viridian.NONE, true);
        List<CpuidEntry> leaves = leaves(AMD, 1, 0, config);
        assertEquals(1 << 2, get(leaves, 0x8000_0001, 0).ecx() & 1 << 2);
        assertTrue(find(leaves, 0x8000_000a, 0).isPresent());
    }
}
