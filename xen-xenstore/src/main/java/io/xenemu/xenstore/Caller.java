package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.tree.Permissions;

/// On whose behalf a request is done.
///
/// @param domain the client's domain; a socket's client is domain 0
/// @param target the domain that it may also act as (SET_TARGET); itself if none
record Caller(DomId domain, DomId target) {
    static final Caller DOM0 = new Caller(DomId.DOM0, DomId.DOM0);

    boolean isPrivileged() {
        return domain.value() == 0;
    }

    boolean canRead(Permissions permissions) {
        return isPrivileged() || permissions.access(domain, target).canRead();
    }

    boolean canWrite(Permissions permissions) {
        return isPrivileged() || permissions.access(domain, target).canWrite();
    }

    boolean owns(Permissions permissions) {
        return isPrivileged() || permissions.isOwner(domain, target);
    }
}
