package io.xenemu.core.cpuid;

import com.google.common.collect.ImmutableSortedMap;
import io.xenemu.kvm.ioctl.CpuidEntry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;

/// The features of a processor: its CPUID leaves, without those of hypervisors and of the topology, and an MSR with
/// features. Immutable.
///
/// @param leaves the answer for each leaf; others read as zero
public record CpuPolicy(ImmutableSortedMap<PolicyLeaf, Registers> leaves) {
    /// No policy has more leaves: KVM takes 256, and those of topology and hypervisors come to them.
    static final int MAX_LEAVES = 200;

    private static final PolicyLeaf VENDOR = PolicyLeaf.of(0);
    private static final int AMD_EBX = 0x6874_7541;
    private static final int HYGON_EBX = 0x6f67_7948;
    private static final int EDX81_RDTSCP = 1 << 27;
    private static final int EDX7_ARCH_CAPABILITIES = 1 << 29;
    private static final List<PolicyLeaf> BRAND =
            List.of(
                    PolicyLeaf.of(0x8000_0002),
                    PolicyLeaf.of(0x8000_0003),
                    PolicyLeaf.of(0x8000_0004));

    CpuPolicy(Map<PolicyLeaf, Registers> leaves) {
        this(ImmutableSortedMap.copyOf(leaves));
    }

    /// @throws IllegalArgumentException if no processor can have these leaves
    public CpuPolicy {
        if (leaves.size() > MAX_LEAVES) {
            throw new IllegalArgumentException(
                    leaves.size() + " leaves where at most " + MAX_LEAVES + " may be");
        }
        if (!leaves.containsKey(VENDOR)) {
            throw new IllegalArgumentException("leaf 0x0 is missing");
        }
        for (PolicyLeaf leaf : leaves.keySet()) {
            if (leaf.isHypervisors() || (!leaf.isMsr() && CpuidTopology.owns(leaf.function()))) {
                throw new IllegalArgumentException("leaf " + leaf + " is not the processor's");
            }
            if (leaf.isMsr() && !leaf.equals(PolicyLeaf.ARCH_CAPABILITIES)) {
                throw new IllegalArgumentException(leaf + " has no features");
            }
        }
    }

    /// The answer for a leaf, zero for one that is not there.
    Registers get(PolicyLeaf leaf) {
        Registers answer = leaves.get(leaf);
        return answer == null ? Registers.ZERO : answer;
    }

    /// Whether the processor is AMD's or Hygon's: its hypercall instruction is VMMCALL.
    public boolean isAmd() {
        return isAmd(get(VENDOR).ebx());
    }

    /// Whether EBX of leaf 0 is that of `AuthenticAMD` or `HygonGenuine`.
    static boolean isAmd(int ebx) {
        return ebx == AMD_EBX || ebx == HYGON_EBX;
    }

    /// Its leaves, without the MSR.
    public List<CpuidEntry> entries() {
        List<CpuidEntry> entries = new ArrayList<>();
        leaves.forEach((leaf, answer) -> {
            if (!leaf.isMsr()) {
                entries.add(leaf.entry(answer));
            }
        });
        return entries;
    }

    /// Whether it has the instruction RDTSCP.
    public boolean hasRdtscp() {
        return (get(PolicyLeaf.of(0x8000_0001)).edx() & EDX81_RDTSCP) != 0;
    }

    /// Whether a guest can read IA32_ARCH_CAPABILITIES.
    public boolean hasArchCapabilities() {
        return leaves.containsKey(PolicyLeaf.ARCH_CAPABILITIES)
                && (get(PolicyLeaf.of(7, 0)).edx() & EDX7_ARCH_CAPABILITIES) != 0;
    }

    /// The value of that MSR.
    public long archCapabilities() {
        Registers value = get(PolicyLeaf.ARCH_CAPABILITIES);
        return Integer.toUnsignedLong(value.eax()) | (long) value.edx() << Integer.SIZE;
    }

    /// This policy with another answer for a leaf.
    CpuPolicy with(PolicyLeaf leaf, Registers answer) {
        Map<PolicyLeaf, Registers> changed = new TreeMap<>(leaves);
        changed.put(leaf, answer);
        return new CpuPolicy(changed);
    }

    /// This policy without a feature.
    CpuPolicy without(CpuFeature feature) {
        return without(feature.leaf(), feature.register(), feature.mask());
    }

    /// This policy without some bits of a register.
    CpuPolicy without(PolicyLeaf leaf, Register register, int bits) {
        Registers answer = get(leaf);
        int left = answer.get(register) & ~bits;
        return left == answer.get(register) ? this : with(leaf, answer.with(register, left));
    }

    /// Only the leaves that pass.
    CpuPolicy only(Predicate<PolicyLeaf> kept) {
        Map<PolicyLeaf, Registers> left = new TreeMap<>(leaves);
        left.keySet().removeIf(kept.negate());
        return left.size() == leaves.size() ? this : new CpuPolicy(left);
    }

    /// The most that a guest can have on either host. Descriptions of the processor are those of one of them.
    ///
    /// @throws CannotOfferException if their processors are of different vendors
    public CpuPolicy intersect(CpuPolicy other) throws CannotOfferException {
        if (!isSameVendor(other)) {
            throw new CannotOfferException("the processors are of different vendors");
        }
        boolean ownBrand = compareBrand(other) <= 0;
        Map<PolicyLeaf, Registers> both = new TreeMap<>();
        leaves.forEach((leaf, mine) -> {
            Registers theirs = other.leaves.get(leaf);
            if (theirs == null || !sameLayout(leaf, mine, theirs)) {
                return;
            }
            if (BRAND.contains(leaf)) {
                both.put(leaf, ownBrand ? mine : theirs);
            } else {
                both.put(leaf, meet(leaf, mine, theirs));
            }
        });
        return Consistency.of(new CpuPolicy(both));
    }

    private boolean isSameVendor(CpuPolicy other) {
        return sameLayout(VENDOR, get(VENDOR), other.get(VENDOR));
    }

    private int compareBrand(CpuPolicy other) {
        for (PolicyLeaf leaf : BRAND) {
            int order = get(leaf).compareUnsigned(other.get(leaf));
            if (order != 0) {
                return order;
            }
        }
        return 0;
    }

    private static boolean sameLayout(PolicyLeaf leaf, Registers a, Registers b) {
        return Arrays.stream(Register.values())
                .filter(register -> LeafRule.of(leaf, register) == LeafRule.LAYOUT)
                .allMatch(register -> a.get(register) == b.get(register));
    }

    private static Registers meet(PolicyLeaf leaf, Registers a, Registers b) {
        if (Arrays.stream(Register.values())
                .allMatch(register -> LeafRule.of(leaf, register) == LeafRule.INFORMATION)) {
            return a.compareUnsigned(b) <= 0 ? a : b;
        }
        Registers met = a;
        for (Register register : Register.values()) {
            met = met.with(register, meet(leaf, register, a.get(register), b.get(register)));
        }
        return met;
    }

    private static int meet(PolicyLeaf leaf, Register register, int a, int b) {
        return switch (LeafRule.of(leaf, register)) {
            case FEATURES -> (a & b) | ((a | b) & LeafRule.accumulated(leaf, register));
            case LEAST, INFORMATION -> Integer.compareUnsigned(a, b) <= 0 ? a : b;
            case LEAST_BYTES -> leastBytes(a, b);
            case LAYOUT -> a;
        };
    }

    private static int leastBytes(int a, int b) {
        int least = 0;
        for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
            least |= Math.min(a >>> shift & 0xff, b >>> shift & 0xff) << shift;
        }
        return least;
    }

    /// All in this policy that a host lacks, each in an operator's words; empty if a guest can have all of it there.
    List<String> excessOver(CpuPolicy host) {
        List<String> excess = new ArrayList<>();
        if (!isSameVendor(host)) {
            excess.add("a processor of another vendor");
            return excess;
        }
        leaves.forEach((leaf, wanted) -> {
            Registers there = host.get(leaf);
            if (!sameLayout(leaf, wanted, there)) {
                excess.add("leaf " + leaf + " as it is");
                return;
            }
            for (Register register : Register.values()) {
                addExcess(excess, leaf, register, wanted.get(register), there.get(register));
            }
        });
        return excess;
    }

    private static void addExcess(
            List<String> excess, PolicyLeaf leaf, Register register, int wanted, int there) {
        switch (LeafRule.of(leaf, register)) {
            case FEATURES -> {
                int free = LeafRule.accumulated(leaf, register) | LeafRule.promised(leaf, register);
                int missing = wanted & ~there & ~free;
                excess.addAll(FeatureNames.of(leaf, register, missing));
            }
            case LEAST, LEAST_BYTES -> {
                if (meet(leaf, register, wanted, there) != wanted) {
                    excess.add(
                            "leaf %s:%s of 0x%x, not 0x%x"
                                    .formatted(leaf, register.word(), wanted, there));
                }
            }
            case INFORMATION, LAYOUT -> {}
        }
    }
}
