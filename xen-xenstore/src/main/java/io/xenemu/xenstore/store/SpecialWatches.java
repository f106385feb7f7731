package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Path;

/// The special watches `@introduceDomain` and `@releaseDomain`, and how they fire (`docs/misc/xenstore.txt`, WATCH).
/// Their permissions are a part of the store ([SpecialPermissions]).
///
/// A watch on the name reports that an event happened. A watch with depth 1 reports the domain, as
/// `@releaseDomain/<domid>`. A watch on that longer name reports events of this domain only.
final class SpecialWatches {
    /// The only depth with a meaning for a special watch, besides 0 and none, which are the same.
    static final int DOMAIN_DEPTH = 1;

    private final WatchTable watches;
    private final TreeEditor store;

    SpecialWatches(WatchTable watches, TreeEditor store) {
        this.watches = watches;
        this.store = store;
    }

    void fireIntroduce(DomId domain) {
        watches.fireSpecial(Path.INTRODUCE_DOMAIN, domain, store.special().introduce());
    }

    void fireRelease(DomId domain) {
        watches.fireSpecial(Path.RELEASE_DOMAIN, domain, store.special().release());
    }
}
