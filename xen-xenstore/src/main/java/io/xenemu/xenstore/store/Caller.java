package io.xenemu.xenstore.store;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.tree.Permissions;
import org.jspecify.annotations.Nullable;

/// The domain on whose behalf a request is handled.
///
/// @param domain the client's domain; domain 0 for a socket's client
/// @param target the domain that it may also act as (SET_TARGET); `domain` if none
/// @param account holds the limits that apply; null for domain 0, which has none
public record Caller(DomId domain, DomId target, @Nullable Account account) {
    static final Caller DOM0 = new Caller(DomId.DOM0, DomId.DOM0, null);

    /// The client of an account, without a target.
    static Caller of(Account account) {
        DomId domain = account.domain();
        return domain.value() == 0 ? DOM0 : new Caller(domain, domain, account);
    }

    /// The same caller with another target.
    Caller targeting(DomId other) {
        return new Caller(domain, other, account);
    }

    /// Whether it is domain 0, which may do anything and has no limits.
    public boolean isPrivileged() {
        return account == null;
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
