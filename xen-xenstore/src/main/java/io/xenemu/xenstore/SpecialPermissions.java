package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.XenStoreState.SpecialState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Who may see the events of the special watches: one version of it, as a root is one version of the tree. A transaction
/// has its own, since GET_PERMS and SET_PERMS are all that can be done to a special name, and both can be done in one.
///
/// @param introduce permissions of `@introduceDomain`
/// @param release permissions of `@releaseDomain`
record SpecialPermissions(Permissions introduce, Permissions release) {
    /// As in Xen 4.23: who has died may be known, who comes is for those whom domain 0 lets know (XSA-115).
    static final SpecialPermissions STANDARD =
            new SpecialPermissions(
                    Permissions.DOM0_ONLY,
                    Permissions.of("n0", "r" + Permissions.ANY_DOMAIN.value()));

    /// Those of a special name; null if there is none of that name.
    @Nullable Permissions of(Path name) {
        if (name.equals(SpecialWatches.INTRODUCE_DOMAIN)) {
            return introduce;
        }
        return name.equals(SpecialWatches.RELEASE_DOMAIN) ? release : null;
    }

    /// What is nearest above a special name that there is not: the name that it goes on from, or the root.
    static Path above(Path name) {
        String text = name.toString();
        for (Path known : List.of(SpecialWatches.INTRODUCE_DOMAIN, SpecialWatches.RELEASE_DOMAIN)) {
            if (text.startsWith(known + "/")) {
                return known;
            }
        }
        return Path.ROOT;
    }

    /// The same with other permissions of a name that there is.
    SpecialPermissions with(Path name, Permissions permissions) {
        return name.equals(SpecialWatches.INTRODUCE_DOMAIN)
                ? new SpecialPermissions(permissions, release)
                : new SpecialPermissions(introduce, permissions);
    }

    /// The same without a domain that is gone. What it owned becomes domain 0's.
    SpecialPermissions without(DomId domain) {
        Permissions newIntroduce = without(introduce, domain);
        Permissions newRelease = without(release, domain);
        return newIntroduce.equals(introduce) && newRelease.equals(release)
                ? this
                : new SpecialPermissions(newIntroduce, newRelease);
    }

    private static Permissions without(Permissions permissions, DomId domain) {
        Permissions rest = permissions.without(domain);
        return rest.owner().equals(domain) ? rest.ownedBy(DomId.DOM0) : rest;
    }

    /// For saved state.
    List<SpecialState> states() {
        return List.of(
                new SpecialState(SpecialWatches.INTRODUCE_DOMAIN, introduce),
                new SpecialState(SpecialWatches.RELEASE_DOMAIN, release));
    }
}
