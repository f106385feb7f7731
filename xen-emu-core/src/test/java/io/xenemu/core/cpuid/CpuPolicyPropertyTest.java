package io.xenemu.core.cpuid;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/// What several hosts have in common is what each of them can offer.
final class CpuPolicyPropertyTest {
    private static final int TRIES = 300;

    @Provide
    Arbitrary<CpuPolicy> policies() {
        return Policies.any();
    }

    @Property(tries = TRIES)
    void everyHostCanOfferTheIntersection(
            @ForAll("policies") CpuPolicy a, @ForAll("policies") CpuPolicy b)
            throws CannotOfferException {
        CpuPolicy both = a.intersect(b);

        assertEquals(List.of(), both.excessOver(a));
        assertEquals(List.of(), both.excessOver(b));
        CpuConfig baseline =
                new CpuConfig(both, CpuidOverrides.NONE, TscMode.DEFAULT, Viridian.NONE, true);
        if (HostPolicy.hasNesting(a)) {
            assertEquals(both, baseline.offered(a));
        }
    }

    @Property(tries = TRIES)
    void orderOfHostsDoesNotMatter(
            @ForAll("policies") CpuPolicy a,
            @ForAll("policies") CpuPolicy b,
            @ForAll("policies") CpuPolicy c)
            throws CannotOfferException {
        assertEquals(a.intersect(b), b.intersect(a));
        assertEquals(a.intersect(b).intersect(c), a.intersect(b.intersect(c)));
        assertEquals(a.intersect(b), a.intersect(b).intersect(b));
    }

    @Property(tries = TRIES)
    void consistencyOnlyTakesAwayAndIsReachedAtOnce(@ForAll("policies") CpuPolicy policy) {
        CpuPolicy consistent = Consistency.of(policy);

        assertEquals(consistent, Consistency.of(consistent));
        assertEquals(List.of(), consistent.excessOver(policy));
    }

    @Property(tries = TRIES)
    void policySurvivesItsTextAndItsSavedForm(@ForAll("policies") CpuPolicy policy)
            throws WireException {
        String text = PolicyFile.format(policy);
        assertEquals(policy, PolicyFile.parse(text));
        assertTrue(text.length() < PolicyFile.MAX_BYTES);
        assertTrue(text.lines().allMatch(line -> line.length() <= 110), text);

        CpuConfig config =
                new CpuConfig(
                        policy,
                        CpuidOverrides.parse(List.of("host,sse3=0,maxhvleaf=3")),
                        TscMode.NATIVE,
                        Viridian.parse(List.of("all")),
                        true);
        BodyReader body = new BodyReader(CpuConfigCodec.put(new BodyWriter(), config).toBytes());
        assertEquals(config, CpuConfigCodec.get(body));
        body.end();
    }

    @Property
    void anyTextIsAPolicyOrRefused(@ForAll String text, @ForAll byte[] bytes) {
        String head = "xen-emu-cpu-policy 1\n0x0 eax=0xd\n";
        for (String candidate :
                List.of(text, head + text, head + new String(bytes, StandardCharsets.UTF_8))) {
            try {
                CpuPolicy policy = PolicyFile.parse(candidate);
                assertEquals(policy, PolicyFile.parse(PolicyFile.format(policy)));
            } catch (IllegalArgumentException e) {
                assertTrue(e.getMessage() != null && e.getMessage().lines().count() == 1);
            }
        }
    }

    private static CpuPolicy policy(Object... leavesAndAnswers) {
        Map<PolicyLeaf, Registers> leaves = new TreeMap<>();
        leaves.put(PolicyLeaf.of(0), new Registers(0xd, 0x6874_7541, 0, 0));
        leaves.put(PolicyLeaf.of(0x8000_0000), new Registers(0x8000_0021, 0, 0, 0));
        for (int i = 0; i < leavesAndAnswers.length; i += 2) {
            leaves.put((PolicyLeaf) leavesAndAnswers[i], (Registers) leavesAndAnswers[i + 1]);
        }
        return new CpuPolicy(leaves);
    }

    @Test
    void guestThatNeedsMoreThanTheHostHasIsRefusedByName() {
        PolicyLeaf features = PolicyLeaf.of(7, 0);
        PolicyLeaf widths = PolicyLeaf.of(0x8000_0008);
        CpuPolicy host =
                policy(
                        features, new Registers(0, 1 << 3, 0, 0),
                        widths, new Registers(0x3028, 0, 0, 0));
        CpuPolicy baseline =
                policy(
                        features, new Registers(0, 1 << 3 | 1 << 5 | 1 << 22, 0, 1 << 10),
                        widths, new Registers(0x3030, 0, 0, 0));
        CpuConfig config =
                new CpuConfig(baseline, CpuidOverrides.NONE, TscMode.DEFAULT, Viridian.NONE, false);

        assertEquals(
                "cpu_baseline: a guest of this host cannot have avx2, 0x7.0:ebx[22], leaf 0x80000008:eax of 0x3030,"
                        + " not 0x3028",
                assertThrows(CannotOfferException.class, () -> config.offered(host)).getMessage());
    }

    @Test
    void processorsOfTwoVendorsHaveNothingInCommon() {
        CpuPolicy intel =
                new CpuPolicy(Map.of(PolicyLeaf.of(0), new Registers(0xd, 0x756e_6547, 0, 0)));
        assertEquals(
                "the processors are of different vendors",
                assertThrows(CannotOfferException.class, () -> policy().intersect(intel))
                        .getMessage());
    }

    @Test
    void guestSeesAFaultOfAnyHostWhereItMayRun() throws CannotOfferException {
        PolicyLeaf leaf = PolicyLeaf.of(7, 0);
        CpuPolicy faulty = policy(leaf, new Registers(0, 0, 0, 1 << 10));
        CpuPolicy sound = policy(leaf, Registers.ZERO);
        assertEquals(1 << 10, faulty.intersect(sound).get(leaf).edx());
    }

    @Test
    void wrongFilesAreRefusedWithTheLine() {
        String head = "xen-emu-cpu-policy 1\n0x0 eax=0xd\n";
        for (Map.Entry<String, String> wrong :
                Map.of(
                                "",
                                "not a CPU policy of xen-emu",
                                "xen-emu-cpu-policy 2\n",
                                "a CPU policy of version 2; this xen-emu reads version 1",
                                "xen-emu-cpu-policy 1\n",
                                "leaf 0x0 is missing",
                                head + "0x1 eax",
                                "line 3: not a leaf with its registers",
                                head + "0x1 eax=1 eax=2",
                                "line 3: eax twice",
                                head + "0x0 eax=1",
                                "line 3: leaf 0x0 twice",
                                head + "0x1 eax=0x123456789",
                                "line 3: '0x123456789' is not a number of 32 bits",
                                head + "0x40000000 eax=1",
                                "leaf 0x40000000 is not the processor's",
                                head + "0xb.0 eax=1",
                                "leaf 0xb.0 is not the processor's",
                                head + "msr 0x10 eax=1",
                                "msr 0x10 has no features")
                        .entrySet()) {
            assertEquals(
                    wrong.getValue(),
                    assertThrows(
                                    IllegalArgumentException.class,
                                    () -> PolicyFile.parse(wrong.getKey()))
                            .getMessage());
        }
    }
}
