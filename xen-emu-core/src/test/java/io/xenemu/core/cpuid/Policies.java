package io.xenemu.core.cpuid;

import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;

/// Policies of processors that differ as real ones do.
final class Policies {
    private static final int AMD_EBX = 0x6874_7541;
    private static final List<PolicyLeaf> BRAND =
            List.of(
                    PolicyLeaf.of(0x8000_0002),
                    PolicyLeaf.of(0x8000_0003),
                    PolicyLeaf.of(0x8000_0004));

    /// Leaves of any kind that a policy may lack.
    private static final List<PolicyLeaf> OPTIONAL =
            List.of(
                    PolicyLeaf.of(2),
                    PolicyLeaf.of(4, 0),
                    PolicyLeaf.of(6),
                    PolicyLeaf.of(7, 1),
                    PolicyLeaf.of(7, 2),
                    PolicyLeaf.of(0xd, 1),
                    PolicyLeaf.of(0xd, 2),
                    PolicyLeaf.of(0xd, 5),
                    PolicyLeaf.of(0xd, 6),
                    PolicyLeaf.of(0xd, 7),
                    PolicyLeaf.of(0xd, 9),
                    PolicyLeaf.of(0xd, 11),
                    PolicyLeaf.of(0x1d, 0),
                    PolicyLeaf.of(0x8000_0007),
                    PolicyLeaf.of(0x8000_0008),
                    PolicyLeaf.of(0x8000_000a),
                    PolicyLeaf.of(0x8000_0021),
                    PolicyLeaf.ARCH_CAPABILITIES);

    private Policies() {}

    /// A processor of AMD's, in a small world: bits are often set, layouts often the same.
    static Arbitrary<CpuPolicy> any() {
        return Arbitraries.randomValue(random -> {
            Map<PolicyLeaf, Registers> leaves = new TreeMap<>();
            int basic = random.nextBoolean() ? 0x1d : 0xd;
            leaves.put(PolicyLeaf.of(0), new Registers(basic, AMD_EBX, 1, 2));
            for (int function : new int[] {1, 0x8000_0001}) {
                leaves.put(PolicyLeaf.of(function), bits(random));
            }
            leaves.put(PolicyLeaf.of(7, 0), bits(random).with(Register.EAX, random.nextInt(3)));
            leaves.put(PolicyLeaf.of(0xd, 0), bits(random));
            int extended = random.nextBoolean() ? 0x8000_0021 : 0x8000_0008;
            leaves.put(PolicyLeaf.of(0x8000_0000), new Registers(extended, AMD_EBX, 1, 2));
            for (PolicyLeaf leaf : BRAND) {
                leaves.put(leaf, new Registers(random.nextInt(3), random.nextInt(), 0, 0));
            }
            for (PolicyLeaf leaf : OPTIONAL) {
                if (random.nextInt(5) > 0) {
                    boolean place = leaf.function() == 0xd && leaf.index() > 1;
                    Registers answer = bits(random);
                    leaves.put(
                            leaf,
                            place
                                    ? new Registers(64 << random.nextInt(2), 576, 0, 0)
                                    : leaf.isMsr() ? answer.and(-1, 0, 0, -1) : answer);
                }
            }
            return new CpuPolicy(leaves);
        });
    }

    private static Registers bits(Random random) {
        return new Registers(many(random), many(random), many(random), many(random));
    }

    private static int many(Random random) {
        int bits = 0;
        for (int i = 0; i < 4; i++) {
            bits |= random.nextInt();
        }
        return bits;
    }
}
