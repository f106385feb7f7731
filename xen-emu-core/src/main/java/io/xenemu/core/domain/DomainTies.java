package io.xenemu.core.domain;

import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.kvm.abi.DomId;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/// What guests that were saved in one file share: event channels between them, and mappings of each other's pages. All
/// of it is made again when the last of them has been restored, and before any of them runs.
public final class DomainTies {
    private DomainTies() {}

    /// A domain that was made again.
    ///
    /// @param state from which it was made
    public record Restored(Domain domain, XenState state) {}

    /// Connects the domains.
    ///
    /// @throws IllegalArgumentException if their states contradict each other
    public static void join(List<Restored> all) {
        for (int i = 0; i < all.size(); i++) {
            Restored one = all.get(i);
            for (Restored other : all.subList(i + 1, all.size())) {
                one.domain()
                        .eventChannels()
                        .rejoin(one.state().events(), other.domain().eventChannels());
            }
        }
        for (Restored one : all) {
            int lost = one.domain().grantTable().reattach();
            if (lost > 0) {
                throw new IllegalArgumentException(
                        "%d pages that it maps are granted by no guest of the file"
                                .formatted(lost));
            }
        }
    }

    /// The domains in groups: those of one share event channels or pages now, with each other or over others of it.
    ///
    /// @return the groups, and the domains of each, in the order of their ids
    public static List<List<Domain>> groups(Collection<Domain> all) {
        List<List<Domain>> groups = new ArrayList<>();
        Map<DomId, Domain> left = new TreeMap<>(Comparator.comparingInt(DomId::value));
        all.forEach(domain -> left.put(domain.id(), domain));
        Map<DomId, Set<DomId>> ties = ties(all);
        while (!left.isEmpty()) {
            Deque<DomId> next = new ArrayDeque<>(List.of(left.keySet().iterator().next()));
            List<Domain> group = new ArrayList<>();
            while (!next.isEmpty()) {
                Domain domain = left.remove(next.remove());
                if (domain != null) {
                    group.add(domain);
                    next.addAll(ties.getOrDefault(domain.id(), Set.of()));
                }
            }
            group.sort(Comparator.comparingInt(domain -> domain.id().value()));
            groups.add(group);
        }
        return groups;
    }

    /// Each domain's ties, in both directions: one end may be seen before the other one is there.
    private static Map<DomId, Set<DomId>> ties(Collection<Domain> all) {
        Map<DomId, Set<DomId>> ties = new HashMap<>();
        for (Domain domain : all) {
            for (DomId other : of(domain)) {
                ties.computeIfAbsent(domain.id(), _ -> new HashSet<>()).add(other);
                ties.computeIfAbsent(other, _ -> new HashSet<>()).add(domain.id());
            }
        }
        return ties;
    }

    private static Set<DomId> of(Domain domain) {
        Set<DomId> others = new HashSet<>();
        for (EventChannelsState.Port port : domain.eventChannels().save().ports()) {
            if (port.status() instanceof EvtchnStatus.Interdomain end) {
                others.add(end.remote());
            }
        }
        GrantTableState grants = domain.grantTable().save();
        grants.mappings().forEach(mapping -> others.add(mapping.mapper()));
        grants.tracked().forEach(page -> others.add(page.granter()));
        others.remove(DomId.DOM0);
        return others;
    }
}
