package io.xenemu.core.cpuid;

import com.google.common.collect.ImmutableSortedMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// An operator's changes to a guest's CPUID leaves: xl's `cpuid=`.
///
/// Each bit has a character: `0` and `1` for off and on, `x` for the default, `k` or `s` for what the host has.
///
/// @param bits for each register that changes 32 characters, the highest bit first
public record CpuidOverrides(ImmutableSortedMap<CpuidOverrides.Place, String> bits) {
    /// No changes.
    public static final CpuidOverrides NONE = new CpuidOverrides(ImmutableSortedMap.of());

    /// The characters of a register that keeps its default.
    static final String DEFAULT = "x".repeat(Integer.SIZE);

    /// A register of a leaf.
    ///
    /// @param leaf its number, and that of the sub-leaf
    /// @param register one of the four
    record Place(PolicyLeaf leaf, Register register) implements Comparable<Place> {
        @Override
        public int compareTo(Place other) {
            int order = leaf.compareTo(other.leaf);
            return order != 0 ? order : register.compareTo(other.register);
        }

        @Override
        public String toString() {
            return leaf + ":" + register.word();
        }
    }

    /// Reads the texts, each in one of xl's notations. Later ones win.
    ///
    /// @throws IllegalArgumentException if one is in none; the message says where
    public static CpuidOverrides parse(List<String> texts) {
        return CpuidNotation.parse(texts);
    }

    /// The changes in xend's notation, which [#parse] reads.
    public List<String> words() {
        return bits.entrySet().stream()
                .map(entry -> CpuidNotation.xend(entry.getKey(), entry.getValue()))
                .toList();
    }

    /// The policy with these changes.
    ///
    /// @param policy the default
    /// @param host all that the host can give a guest
    /// @throws CannotOfferException if a bit is to be on that the host does not have, or that needs another that is off
    CpuPolicy apply(CpuPolicy policy, CpuPolicy host) throws CannotOfferException {
        CpuPolicy changed = policy;
        for (Map.Entry<Place, String> entry : bits.entrySet()) {
            Place place = entry.getKey();
            if (place.leaf().isHypervisors()) {
                continue;
            }
            PolicyLeaf leaf = leafIn(host, place.leaf());
            int before = changed.get(leaf).get(place.register());
            int after = merge(entry.getValue(), before, host.get(leaf).get(place.register()));
            if (after != before) {
                changed = changed.with(leaf, changed.get(leaf).with(place.register(), after));
            }
        }
        List<String> excess = changed.excessOver(host);
        if (!excess.isEmpty()) {
            throw new CannotOfferException(
                    "cpuid: a guest of this host cannot have " + some(excess));
        }
        CpuPolicy consistent = Consistency.of(changed);
        for (Map.Entry<Place, String> entry : bits.entrySet()) {
            checkForced(entry.getKey(), entry.getValue(), host, consistent);
        }
        return consistent;
    }

    /// xend's notation need not name sub-leaf 0 of a leaf that has sub-leaves.
    private static PolicyLeaf leafIn(CpuPolicy host, PolicyLeaf leaf) {
        PolicyLeaf first = PolicyLeaf.of(leaf.function(), 0);
        boolean named = leaf.index() != PolicyLeaf.NO_INDEX || host.leaves().containsKey(leaf);
        return !named && host.leaves().containsKey(first) ? first : leaf;
    }

    private static void checkForced(
            Place place, String wanted, CpuPolicy host, CpuPolicy consistent)
            throws CannotOfferException {
        if (place.leaf().isHypervisors()) {
            return;
        }
        PolicyLeaf leaf = leafIn(host, place.leaf());
        if (LeafRule.of(leaf, place.register()) != LeafRule.FEATURES) {
            return;
        }
        int on = merge(wanted, 0, 0);
        int missing = on & ~consistent.get(leaf).get(place.register());
        if (missing != 0) {
            throw new CannotOfferException(
                    "cpuid: %s cannot be on while a feature that it builds upon is off"
                            .formatted(
                                    FeatureNames.of(leaf, place.register(), missing).getFirst()));
        }
    }

    private static int merge(String wanted, int before, int host) {
        int after = 0;
        for (int bit = 0; bit < Integer.SIZE; bit++) {
            char how = wanted.charAt(Integer.SIZE - 1 - bit);
            int value =
                    switch (how) {
                        case '0' -> 0;
                        case '1' -> 1;
                        case 'x' -> before >>> bit & 1;
                        case 'k', 's' -> host >>> bit & 1;
                        default -> throw new IllegalArgumentException("'" + how + "' is no bit");
                    };
            after |= value << bit;
        }
        return after;
    }

    /// The first few of many words.
    static String some(List<String> words) {
        int shown = 6;
        if (words.size() <= shown) {
            return String.join(", ", words);
        }
        return String.join(", ", words.subList(0, shown))
                + " and "
                + (words.size() - shown)
                + " more";
    }

    /// The highest of Xen's leaves that the guest is to see, as a distance from the first; null for Xen's own choice.
    @Nullable Integer maxHypervisorLeaf(int base) {
        String wanted = bits.get(new Place(PolicyLeaf.of(base), Register.EAX));
        return wanted == null || wanted.equals(DEFAULT) ? null : merge(wanted, 0, 0) & 0xff;
    }

    /// Only the changes to hypervisors' leaves.
    CpuidOverrides onlyHypervisors() {
        Map<Place, String> left = new TreeMap<>(bits);
        left.keySet().removeIf(place -> !place.leaf().isHypervisors());
        return new CpuidOverrides(ImmutableSortedMap.copyOf(left));
    }
}
