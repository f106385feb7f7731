package io.xenemu.core.hypervisor;

import com.google.common.base.Splitter;
import com.google.common.primitives.Ints;
import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// The policy by which new domains get their ids, after `domid.policy` of xl.conf(5). A restored guest keeps its id, so
/// the services of a fleet, between which guests move, should give out different ones.
///
/// @param first the least id that it gives out
/// @param last the greatest
/// @param isRandom whether ids are chosen at random, instead of in order
public record DomainIdPolicy(int first, int last, boolean isRandom) {
    /// The greatest id that a domain can have.
    private static final int GREATEST = DomId.FIRST_RESERVED - 1;

    /// The fewest ids of a range: more domains than a host can have at a time, those that end or stay included.
    static final int LEAST_RANGE = 64;

    /// As Xen does: 1, 2, 3 and so on.
    public static final DomainIdPolicy XEN = new DomainIdPolicy(1, GREATEST, false);

    /// Any id at random.
    public static final DomainIdPolicy RANDOM = new DomainIdPolicy(1, GREATEST, true);

    /// @throws IllegalArgumentException if the range is no range of ids, or too small
    public DomainIdPolicy {
        if (first < 1 || last > GREATEST || last - first < LEAST_RANGE - 1) {
            throw new IllegalArgumentException(
                    "%d-%d is not a range of at least %d ids from 1 to %d"
                            .formatted(first, last, LEAST_RANGE, GREATEST));
        }
    }

    /// Reads `xen`, `random` or a range in which ids are given in order, such as `1000-1999`.
    ///
    /// @throws IllegalArgumentException if it is none of these
    public static DomainIdPolicy parse(String text) {
        return switch (text) {
            case "xen" -> XEN;
            case "random" -> RANDOM;
            default -> range(text);
        };
    }

    private static DomainIdPolicy range(String text) {
        List<String> ends = Splitter.on('-').splitToList(text);
        Integer first = ends.size() == 2 ? Ints.tryParse(ends.get(0)) : null;
        Integer last = ends.size() == 2 ? Ints.tryParse(ends.get(1)) : null;
        if (first == null || last == null) {
            throw new IllegalArgumentException(
                    "'" + text + "' is neither xen nor random nor FIRST-LAST");
        }
        return new DomainIdPolicy(first, last, false);
    }

    /// The number of ids that it gives out.
    int size() {
        return last - first + 1;
    }
}
