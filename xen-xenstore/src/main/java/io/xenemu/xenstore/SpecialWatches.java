package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreState.SpecialState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.List;

/// The special watches `@introduceDomain` and `@releaseDomain`: who may see their events, and how they fire
/// (`docs/misc/xenstore.txt`, WATCH).
///
/// A watch on the name hears that something happened; one with depth 1 hears which domain it was, as
/// `@releaseDomain/<domid>`; and one on that longer name hears of this domain alone.
final class SpecialWatches {
    static final Path INTRODUCE_DOMAIN = Path.of("@introduceDomain");
    static final Path RELEASE_DOMAIN = Path.of("@releaseDomain");

    /// The only depth that means something for a special watch, beside 0 and none, which are the same.
    static final int DOMAIN_DEPTH = 1;

    private final WatchTable watches;
    // As in Xen 4.23: who has died may be known, who comes is for those whom domain 0 lets know
    // (XSA-115).
    private Permissions introduce = Permissions.DOM0_ONLY;
    private Permissions release = Permissions.of("n0", "r" + Permissions.ANY_DOMAIN.value());

    SpecialWatches(WatchTable watches) {
        this.watches = watches;
    }

    Permissions introducePermissions() {
        return introduce;
    }

    Permissions releasePermissions() {
        return release;
    }

    List<SpecialState> save() {
        return states(introduce, release);
    }

    static List<SpecialState> states(Permissions introduce, Permissions release) {
        return List.of(
                new SpecialState(INTRODUCE_DOMAIN, introduce),
                new SpecialState(RELEASE_DOMAIN, release));
    }

    /// @throws XenError EINVAL if it is neither
    Permissions permissions(Path path) throws XenError {
        if (path.equals(INTRODUCE_DOMAIN)) {
            return introduce;
        }
        if (path.equals(RELEASE_DOMAIN)) {
            return release;
        }
        throw XenError.EINVAL;
    }

    /// @throws XenError EINVAL if it is neither
    void setPermissions(Path path, Permissions permissions) throws XenError {
        if (path.equals(INTRODUCE_DOMAIN)) {
            introduce = permissions;
        } else if (path.equals(RELEASE_DOMAIN)) {
            release = permissions;
        } else {
            throw XenError.EINVAL;
        }
    }

    /// Takes a domain that is gone out of the permissions. What it owned becomes domain 0's.
    void forget(DomId domain) {
        introduce = without(introduce, domain);
        release = without(release, domain);
    }

    private static Permissions without(Permissions permissions, DomId domain) {
        Permissions rest = permissions.without(domain);
        return rest.owner().equals(domain) ? rest.ownedBy(DomId.DOM0) : rest;
    }

    void fireIntroduce(DomId domain) {
        watches.fireSpecial(INTRODUCE_DOMAIN, domain, introduce);
    }

    void fireRelease(DomId domain) {
        watches.fireSpecial(RELEASE_DOMAIN, domain, release);
    }
}
