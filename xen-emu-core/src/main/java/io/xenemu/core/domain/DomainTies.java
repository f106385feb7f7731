package io.xenemu.core.domain;

import java.util.List;

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
}
