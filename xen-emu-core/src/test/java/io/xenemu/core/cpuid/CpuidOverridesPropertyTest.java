package io.xenemu.core.cpuid;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// An operator's changes in both of xl's notations.
final class CpuidOverridesPropertyTest {
    private static final String X24 = "x".repeat(24);

    @Provide
    Arbitrary<List<String>> texts() {
        Arbitrary<String> name =
                Arbitraries.of(FeatureNames.all().keySet().asList())
                        .flatMap(feature ->
                                Arbitraries.of("0", "1", "x", "k", "s")
                                        .map(value -> "host," + feature + "=" + value));
        Arbitrary<String> xend =
                Arbitraries.strings()
                        .withChars("01xks")
                        .ofLength(32)
                        .flatMap(bits ->
                                Arbitraries.of("2", "7,0", "0x7,1", "0x80000021")
                                        .map(leaf -> leaf + ":ebx=" + bits));
        return Arbitraries.oneOf(name, xend).list().ofMaxSize(5);
    }

    @Property
    void changesAreTheSameInXendsNotation(@ForAll("texts") List<String> texts) {
        List<String> possible = new ArrayList<>(texts);
        possible.removeIf(text -> refusal(text) != null);
        CpuidOverrides overrides = CpuidOverrides.parse(possible);

        assertEquals(overrides, CpuidOverrides.parse(overrides.words()));
    }

    @Property
    void anyTextIsReadOrRefusedInOneLine(@ForAll String text) {
        for (String candidate : List.of(text, "host," + text, "host,sse3=" + text, "1:" + text)) {
            String refusal = refusal(candidate);
            assertTrue(refusal == null || !refusal.isEmpty());
        }
    }

    /// Why a text is refused; null if it is not.
    private static @Nullable String refusal(String text) {
        try {
            CpuidOverrides.parse(List.of(text));
            return null;
        } catch (IllegalArgumentException e) {
            return String.valueOf(e.getMessage());
        }
    }

    /// With every name on or off, a guest of any host is offered a policy that this host can keep, or is refused.
    @Property(tries = 300)
    void guestGetsNoMoreThanTheHostHas(
            @ForAll("texts") List<String> texts, @ForAll("policies") CpuPolicy host) {
        List<String> possible = new ArrayList<>(texts);
        possible.removeIf(text -> refusal(text) != null);
        CpuConfig config =
                new CpuConfig(
                        null,
                        CpuidOverrides.parse(possible),
                        TscMode.DEFAULT,
                        Viridian.NONE,
                        HostPolicy.hasNesting(host));
        try {
            CpuPolicy offered = config.offered(host);
            assertEquals(List.of(), offered.excessOver(host));
            assertEquals(offered, config.offering(offered).offered(host), "offered again");
        } catch (CannotOfferException e) {
            assertTrue(e.getMessage().startsWith("cpuid: "), e.getMessage());
        }
    }

    @Provide
    Arbitrary<CpuPolicy> policies() {
        return Policies.any();
    }

    @Test
    void namesAndBitsMeanTheSame() {
        assertEquals(
                CpuidOverrides.parse(
                        List.of(
                                "1:ecx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0,edx=xx0xxxxxxxxxxxxxxxxxxxxxxxxxxxxx")),
                CpuidOverrides.parse(List.of("host,tm=0,sse3=0")));
        assertEquals(
                CpuidOverrides.parse(List.of("0x7,0:ebx=1" + "x".repeat(31))),
                CpuidOverrides.parse(List.of("host,avx512vl=0", "host,avx512vl=1")));
        assertEquals(CpuidOverrides.NONE, CpuidOverrides.parse(List.of("host")));
        assertEquals(CpuidOverrides.NONE, CpuidOverrides.parse(List.of()));
        assertEquals(CpuidOverrides.NONE, CpuidOverrides.parse(List.of("host,sse3=x")));
    }

    @ParameterizedTest
    @CsvSource({
        "family=6, 0x1:eax=xxxx00000000xxxxxxxx0110xxxxxxxx",
        "family=23, 0x1:eax=xxxx00001000xxxxxxxx1111xxxxxxxx",
        "family=270, 0x1:eax=xxxx11111111xxxxxxxx1111xxxxxxxx",
        "family=k, 0x1:eax=xxxxkkkkkkkkxxxxxxxxkkkkxxxxxxxx",
        "model=0x5e, 0x1:eax=xxxxxxxxxxxx0101xxxxxxxx1110xxxx",
        "stepping=3, 0x1:eax=xxxxxxxxxxxxxxxxxxxxxxxxxxxx0011",
        "clflush=8, 0x1:ebx=xxxxxxxxxxxxxxxx00001000xxxxxxxx",
        "invtsc=1, 0x80000007:edx=xxxxxxxxxxxxxxxxxxxxxxx1xxxxxxxx",
        "fb-clear=s, msr-0x10a:eax=xxxxxxxxxxxxxxsxxxxxxxxxxxxxxxxx",
        "svm_npt=0, 0x8000000a:edx=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx0"
    })
    void numbersAreInTheirFields(String name, String bits) {
        assertEquals(List.of(bits), CpuidOverrides.parse(List.of("host," + name)).words());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "host,tm | 'tm' is not name=value",
                "host,nosuch=1 | 'nosuch' is no name of a CPU feature",
                "host,sse3=2 | 'sse3=2': the value is one of 0, 1, x, k, s",
                "host,family=271 | 'family=271': the value is at most 270",
                "host,model=y | 'model=y': the value is a number, x, k or s",
                "guest,sse3=0 | 'guest,sse3=0' begins neither with \"host\" nor with the number of a leaf",
                "host,proccount=4 | 0x1:ebx bit 16 cannot be changed: it is the vCPU's own",
                "host,htt=0 | 0x1:edx bit 28 cannot be changed: it is the vCPU's own",
                "host,osxsave=0 | 0x1:ecx bit 27 cannot be changed: it is the vCPU's own",
                "1:eax=0 | '0' is not 32 characters of 0, 1, x, k, s",
                "1:efx=0 | 'efx' is not eax, ebx, ecx or edx",
                "1 | '1' is not LEAF:REGISTER=BITS",
                "1,2,3:eax=0 | '1,2,3' is not LEAF,SUBLEAF",
                "99999999999:eax=0 | '99999999999' is not a number of 32 bits",
            })
    void wrongTextIsRefusedWithItsReason(String text, String reason) {
        assertEquals(reason, refusal(text));
    }

    @Test
    void topologyAndHypervisorsLeavesCannotBeChanged() {
        for (String text :
                List.of(
                        "0xb,0:eax=" + X24 + "00000000",
                        "0x8000001e:eax=" + X24 + "00000000",
                        "0x40000001:eax=" + X24 + "00000000",
                        "0x40000000:ebx=" + X24 + "00000000",
                        "0x40000000:eax=0" + "x".repeat(31))) {
            assertTrue(String.valueOf(refusal(text)).contains("cannot be changed"), text);
        }
        assertEquals(null, refusal("0x40000000:eax=" + X24 + "00000100"));
    }

    private static CpuPolicy host() {
        return new CpuPolicy(
                Map.of(
                        PolicyLeaf.of(0), new Registers(0xd, 0x6874_7541, 0, 0),
                        PolicyLeaf.of(1), new Registers(0x800f12, 0, -1, -1),
                        PolicyLeaf.of(7, 0), new Registers(0, 0x2f_0029, 0, 0),
                        PolicyLeaf.of(0xd, 0), new Registers(0xe7, 0, 0, 0),
                        PolicyLeaf.of(0xd, 2), new Registers(256, 576, 0, 0),
                        PolicyLeaf.of(0xd, 5), new Registers(64, 1088, 0, 0),
                        PolicyLeaf.of(0xd, 6), new Registers(512, 1152, 0, 0),
                        PolicyLeaf.of(0xd, 7), new Registers(1024, 1664, 0, 0)));
    }

    private static CpuPolicy offered(String text) throws CannotOfferException {
        return new CpuConfig(
                        null,
                        CpuidOverrides.parse(List.of(text)),
                        TscMode.DEFAULT,
                        Viridian.NONE,
                        false)
                .offered(host());
    }

    private static boolean has(CpuPolicy policy, String name) {
        return FeatureNames.feature(name).in(policy);
    }

    @Test
    void featureThatIsOffTakesTheOthersAndTheirStateAlong() throws CannotOfferException {
        CpuPolicy without512 = offered("host,avx512f=0");
        assertTrue(has(without512, "avx2"));
        assertFalse(has(without512, "avx512dq"));
        assertEquals(7, without512.get(PolicyLeaf.of(0xd, 0)).eax());
        assertEquals(832, without512.get(PolicyLeaf.of(0xd, 0)).ecx());
        assertFalse(without512.leaves().containsKey(PolicyLeaf.of(0xd, 7)));

        CpuPolicy withoutXsave = offered("host,xsave=0");
        assertFalse(has(withoutXsave, "avx"));
        assertFalse(has(withoutXsave, "avx2"));
        assertFalse(withoutXsave.leaves().containsKey(PolicyLeaf.of(0xd, 0)));
    }

    @Test
    void featureThatTheHostLacksCannotBeForced() {
        assertEquals(
                "cpuid: a guest of this host cannot have sha",
                assertThrows(CannotOfferException.class, () -> offered("host,sha=1")).getMessage());
        assertEquals(
                "cpuid: avx2 cannot be on while a feature that it builds upon is off",
                assertThrows(CannotOfferException.class, () -> offered("host,avx=0,avx2=1"))
                        .getMessage());
        assertEquals(
                "cpuid: a guest of this host cannot have leaf 0x0:eax of 0x20, not 0xd",
                assertThrows(CannotOfferException.class, () -> offered("host,maxleaf=32"))
                        .getMessage());
    }

    @Test
    void invariantTscIsAPromiseThatNoHostHasToMakeFirst() throws CannotOfferException {
        CpuPolicy silent =
                host().with(
                                PolicyLeaf.of(0x8000_0000),
                                new Registers(0x8000_0008, 0x6874_7541, 0, 0));
        CpuConfig config =
                new CpuConfig(
                        null,
                        CpuidOverrides.parse(List.of("host,itsc=1")),
                        TscMode.DEFAULT,
                        Viridian.NONE,
                        false);
        CpuPolicy promised = config.offered(silent);

        assertFalse(has(CpuConfig.DEFAULT.offered(silent), "itsc"));
        assertTrue(has(promised, "itsc"));
        // The guest keeps it when it starts again.
        assertEquals(promised, config.offering(promised).offered(silent));
    }

    @Test
    void leavesBeyondTheHighestAreGone() throws CannotOfferException {
        CpuPolicy policy = offered("host,maxleaf=1");
        assertEquals(
                List.of(PolicyLeaf.of(0), PolicyLeaf.of(1)), List.copyOf(policy.leaves().keySet()));
    }
}
