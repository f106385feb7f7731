package io.xenemu.core.cpuid;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableListMultimap;
import com.google.common.collect.ImmutableMap;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Makes a policy one that software can meet on a processor. A feature is off if one is off that it builds upon. XSAVE
/// has the state of the features alone, and leaves beyond the highest are gone. It only ever takes away.
final class Consistency {
    private static final Splitter WORDS = Splitter.on(' ').omitEmptyStrings();

    /// Each line: a feature, and those that build upon it. Source: Xen's tools/gen-cpuid.py.
    private static final String DEPENDENTS =
            """
            fpu mmx rstr-fp-err-ptrs
            pse pse36
            pae lm nx
            tsc tsc-deadline rdtscp tsc-adjust itsc
            apic x2apic tsc-deadline extapic
            clfsh clzero
            mmx mmxext 3dnow
            fxsr ffxsr sse
            sse sse2 misalignsse
            sse2 sse3 lm aesni pclmulqdq sha gfni
            sse3 ssse3 sse4a
            ssse3 sse4-1
            sse4-1 sse4-2
            xsave xsaveopt xsavec xgetbv1 xsaves avx mpx pku amx-tile lwp
            avx fma fma4 f16c avx2 xop avx-ne-convert sm3
            nx smap
            lm cx16 pcid lahf-lm page1gb pku amx-tile cmpccxadd lkgs movrs
            3dnow 3dnowext
            avx2 avx512f vaes vpclmulqdq avx-vnni avx-ifma avx-vnni-int8 avx-vnni-int16 sha512 sm4
            avx512f avx512dq avx512-ifma avx512pf avx512er avx512cd avx512bw avx512vl avx512-4vnniw
            avx512f avx512-4fmaps avx512-vnni avx512-vpopcntdq avx512-vp2intersect
            avx512bw avx512-vbmi avx512-vbmi2 avx512-bitalg avx512-bf16 avx512-fp16 avx512-bmm
            pclmulqdq vpclmulqdq
            aesni vaes
            ibrsb stibp ssbd intel-psfd eibrs ipred-ctrl rrsba-ctrl bhi-ctrl
            ibrs amd-stibp amd-ssbd psfd auto-ibrs ibrs-always ibrs-fast ibrs-same-mode
            ibpb ibpb-ret sbpb ibpb-brtype
            amd-stibp stibp-always
            rtm tsxldtrk
            psfd epsf
            eibrs rrsba
            amx-tile amx-bf16 amx-int8 amx-fp16 amx-complex
            """;

    /// The state components of features, by the bits of XCR0.
    private static final ImmutableMap<String, Long> XCR0 =
            ImmutableMap.<String, Long>builder()
                    .put("avx", 1L << 2)
                    .put("mpx", 3L << 3)
                    .put("avx512f", 7L << 5)
                    .put("pku", 1L << 9)
                    .put("amx-tile", 3L << 17)
                    .put("lwp", 1L << 62)
                    .buildOrThrow();

    /// Leaf 1's EDX and leaf 0x80000001's have these bits in common on AMD's processors.
    private static final int COMMON_EDX = 0x0183_f3ff;

    private static final PolicyLeaf BASIC = PolicyLeaf.of(0);
    private static final PolicyLeaf FEATURES = PolicyLeaf.of(1);
    private static final PolicyLeaf STRUCTURED = PolicyLeaf.of(7, 0);
    private static final PolicyLeaf EXTENDED = PolicyLeaf.of(0x8000_0000);
    private static final PolicyLeaf EXTENDED_FEATURES = PolicyLeaf.of(0x8000_0001);
    private static final PolicyLeaf XSTATE = PolicyLeaf.of(LeafRule.XSTATE, 0);
    private static final PolicyLeaf XSTATE_FEATURES = PolicyLeaf.of(LeafRule.XSTATE, 1);

    /// Size of the legacy area and the header of XSAVE, in bytes.
    private static final int XSAVE_HEADER_END = 576;

    /// The bit of XCR0 that is always set where there is XSAVE.
    private static final long X87_STATE = 1;

    private static final int FIRST_COMPONENT = 2;
    private static final int COMPONENTS = 63;

    private static final ImmutableListMultimap<CpuFeature, CpuFeature> BUILD_UPON = buildUpon();

    private Consistency() {}

    private static ImmutableListMultimap<CpuFeature, CpuFeature> buildUpon() {
        ImmutableListMultimap.Builder<CpuFeature, CpuFeature> all = ImmutableListMultimap.builder();
        for (String line : DEPENDENTS.lines().toList()) {
            List<String> words = WORDS.splitToList(line);
            CpuFeature base = FeatureNames.feature(words.get(0));
            words.stream().skip(1).map(FeatureNames::feature).forEach(it -> all.put(base, it));
        }
        return all.build();
    }

    /// The policy without what cannot be. Doing it again changes nothing.
    static CpuPolicy of(CpuPolicy policy) {
        CpuPolicy reached = withoutUnreachable(policy);
        CpuPolicy supported = withoutUnsupported(withStateFor(reached));
        return withSizes(withoutState(supported));
    }

    private static CpuPolicy withoutUnreachable(CpuPolicy policy) {
        int basic = policy.get(BASIC).eax();
        int structured = policy.get(STRUCTURED).eax();
        int extended = policy.get(EXTENDED).eax();
        return policy.only(leaf -> {
            if (leaf.isMsr()) {
                return true;
            }
            int function = leaf.function();
            if (function < 0) {
                return function >= 0xc000_0000
                        || Integer.compareUnsigned(function, extended) <= 0
                        || function == 0x8000_0000;
            }
            boolean reached = Integer.compareUnsigned(function, basic) <= 0;
            return function == 7
                    ? reached && Integer.compareUnsigned(leaf.index(), structured) <= 0
                    : reached;
        });
    }

    /// Takes away features whose state XSAVE does not have.
    private static CpuPolicy withStateFor(CpuPolicy policy) {
        long xcr0 = xcr0(policy);
        CpuPolicy left = policy;
        if ((xcr0 & X87_STATE) == 0) {
            left = left.without(FeatureNames.feature("xsave"));
        }
        for (Map.Entry<String, Long> entry : XCR0.entrySet()) {
            if ((xcr0 & entry.getValue()) != entry.getValue()) {
                left = left.without(FeatureNames.feature(entry.getKey()));
            }
        }
        return left;
    }

    private static CpuPolicy withoutUnsupported(CpuPolicy policy) {
        CpuPolicy left = policy;
        Deque<CpuFeature> absent = new ArrayDeque<>();
        for (CpuFeature base : BUILD_UPON.keySet()) {
            if (!base.in(left)) {
                absent.add(base);
            }
        }
        while (!absent.isEmpty()) {
            for (CpuFeature dependent : BUILD_UPON.get(absent.remove())) {
                if (dependent.in(left)) {
                    left = left.without(dependent);
                    absent.add(dependent);
                }
            }
        }
        int edx = left.get(FEATURES).edx();
        left = left.without(EXTENDED_FEATURES, Register.EDX, COMMON_EDX & ~edx);
        boolean capabilities = FeatureNames.feature("arch-caps").in(left);
        return capabilities ? left : left.only(leaf -> !leaf.isMsr());
    }

    /// Takes away the state of features that are not there, and components without a place.
    private static CpuPolicy withoutState(CpuPolicy policy) {
        if (!FeatureNames.feature("xsave").in(policy)) {
            return policy.only(leaf -> leaf.isMsr() || leaf.function() != LeafRule.XSTATE);
        }
        long state = xcr0(policy);
        for (Map.Entry<String, Long> entry : XCR0.entrySet()) {
            if (!FeatureNames.feature(entry.getKey()).in(policy)) {
                state &= ~entry.getValue();
            }
        }
        Registers answer = policy.get(XSTATE);
        CpuPolicy left =
                policy.with(
                        XSTATE,
                        new Registers(
                                (int) state,
                                answer.ebx(),
                                answer.ecx(),
                                (int) (state >>> Integer.SIZE)));
        if (left.leaves().containsKey(XSTATE_FEATURES)
                && !FeatureNames.feature("xsaves").in(left)) {
            Registers features = left.get(XSTATE_FEATURES);
            left = left.with(XSTATE_FEATURES, new Registers(features.eax(), features.ebx(), 0, 0));
        }
        Registers supervisor = left.get(XSTATE_FEATURES);
        long all = state | Integer.toUnsignedLong(supervisor.ecx()) | (long) supervisor.edx() << 32;
        return left.only(leaf ->
                leaf.isMsr()
                        || leaf.function() != LeafRule.XSTATE
                        || leaf.index() < FIRST_COMPONENT
                        || (all >>> leaf.index() & 1) != 0);
    }

    /// XCR0 as far as its components have a place.
    private static long xcr0(CpuPolicy policy) {
        Registers answer = policy.get(XSTATE);
        long bits = Integer.toUnsignedLong(answer.eax()) | (long) answer.edx() << Integer.SIZE;
        for (int component = FIRST_COMPONENT; component <= COMPONENTS; component++) {
            if (!policy.leaves().containsKey(PolicyLeaf.of(LeafRule.XSTATE, component))) {
                bits &= ~(1L << component);
            }
        }
        return bits;
    }

    /// Computes the most bytes of the area. KVM itself keeps the sizes for what the guest has enabled.
    private static CpuPolicy withSizes(CpuPolicy policy) {
        if (!policy.leaves().containsKey(XSTATE)) {
            return policy;
        }
        long state = xcr0(policy);
        int size = XSAVE_HEADER_END;
        for (int component = FIRST_COMPONENT; component <= COMPONENTS; component++) {
            if ((state >>> component & 1) != 0) {
                Registers place = policy.get(PolicyLeaf.of(LeafRule.XSTATE, component));
                size = Math.max(size, place.eax() + place.ebx());
            }
        }
        Map<PolicyLeaf, Registers> sized = new TreeMap<>(policy.leaves());
        Registers answer = policy.get(XSTATE);
        sized.put(XSTATE, new Registers(answer.eax(), size, size, answer.edx()));
        Registers features = sized.get(XSTATE_FEATURES);
        if (features != null) {
            sized.put(
                    XSTATE_FEATURES,
                    new Registers(features.eax(), 0, features.ecx(), features.edx()));
        }
        return new CpuPolicy(sized);
    }
}
