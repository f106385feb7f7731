package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.state.XenStoreState.SpecialState;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The permissions of the special watches. Like a root of the tree, one object is one version. A transaction has its
/// own: GET_PERMS and SET_PERMS work on special names in transactions too.
///
/// @param introduce permissions of `@introduceDomain`
/// @param release permissions of `@releaseDomain`
public record SpecialPermissions(Permissions introduce, Permissions release) {
    /// As in Xen 4.23 (XSA-115): any domain may watch @releaseDomain; @introduceDomain is reserved for domain 0 and
    /// the domains it permits.
    static final SpecialPermissions STANDARD =
            new SpecialPermissions(
                    Permissions.DOM0_ONLY,
                    Permissions.of("n0", "r" + Permissions.ANY_DOMAIN.value()));

    /// The permissions of a special name; null if there is no such name.
    @Nullable Permissions of(Path name) {
        if (name.equals(Path.INTRODUCE_DOMAIN)) {
            return introduce;
        }
        return name.equals(Path.RELEASE_DOMAIN) ? release : null;
    }

    /// The nearest existing name above an unknown special name: the special name that it extends, or the root.
    static Path above(Path name) {
        String text = name.toString();
        for (Path known : List.of(Path.INTRODUCE_DOMAIN, Path.RELEASE_DOMAIN)) {
            if (text.startsWith(known + "/")) {
                return known;
            }
        }
        return Path.ROOT;
    }

    /// These permissions, with others for an existing name.
    SpecialPermissions with(Path name, Permissions permissions) {
        return name.equals(Path.INTRODUCE_DOMAIN)
                ? new SpecialPermissions(permissions, release)
                : new SpecialPermissions(introduce, permissions);
    }

    /// These permissions without a domain that is gone. A list that it owned becomes domain 0's.
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

    /// The permissions as saved state.
    public List<SpecialState> states() {
        return List.of(
                new SpecialState(Path.INTRODUCE_DOMAIN, introduce),
                new SpecialState(Path.RELEASE_DOMAIN, release));
    }
}
