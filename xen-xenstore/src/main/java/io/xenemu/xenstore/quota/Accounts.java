package io.xenemu.xenstore.quota;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.wire.Features;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The accounts of all domains that the store has heard of, and the default quotas of later domains. Serves
/// GET_QUOTA, SET_QUOTA, GET_FEATURE, SET_FEATURE and CONTROL's quota commands.
public final class Accounts {
    private final Predicate<DomId> exists;
    private final NodeCounts nodes;
    private final Map<DomId, Account> accounts =
            new TreeMap<>(Comparator.comparingInt(DomId::value));
    private final Map<Quota, Long> mostOfGone = new EnumMap<>(Quota.class);
    private Quotas quotas;

    /// @param quotas the default quotas of domains
    /// @param exists whether there is such a domain
    public Accounts(Quotas quotas, Predicate<DomId> exists, NodeCounts nodes) {
        this.quotas = quotas;
        this.exists = exists;
        this.nodes = nodes;
    }

    /// The account of a domain; opened if there is none.
    public Account of(DomId domain) {
        return accounts.computeIfAbsent(domain, d -> new Account(d, quotas, nodes));
    }

    /// @throws XenError ENOENT if there is no such domain
    private Account ofExisting(DomId domain) throws XenError {
        if (!accounts.containsKey(domain) && !exists.test(domain)) {
            throw XenError.ENOENT;
        }
        return of(domain);
    }

    /// All accounts, in the order of domain ids.
    public Collection<Account> all() {
        return accounts.values();
    }

    /// Closes the account of a domain that is gone. The next domain of this id gets a new one.
    public void close(DomId domain) {
        Account gone = accounts.remove(domain);
        if (gone != null && domain.value() != 0) {
            for (Quota quota : Quota.all()) {
                mostOfGone.merge(quota, gone.most(quota), Math::max);
            }
        }
    }

    /// The default limits of later domains.
    public Quotas quotas() {
        return quotas;
    }

    /// Changes the default limits of later domains.
    public void quotas(Quotas changed) {
        quotas = changed;
    }

    /// One limit.
    ///
    /// @param domain null for the default
    /// @throws XenError ENOENT for a domain that does not exist, EINVAL for a quota that does not exist
    public int limit(@Nullable DomId domain, String name) throws XenError {
        Quotas asked = domain == null ? quotas : ofExisting(domain).quotas();
        return asked.limit(named(name));
    }

    /// Sets one limit.
    ///
    /// @param domain null for the default
    /// @param limit 0 for none
    /// @throws XenError ENOENT for a domain that does not exist, EINVAL for a quota that does not exist
    public void setLimit(@Nullable DomId domain, String name, int limit) throws XenError {
        if (domain == null) {
            quotas = quotas.with(named(name), limit);
        } else {
            Account account = ofExisting(domain);
            account.quotas(account.quotas().with(named(name), limit));
        }
    }

    private static Quota named(String name) throws XenError {
        Quota quota = Quota.named(name);
        if (quota == null) {
            throw XenError.EINVAL;
        }
        return quota;
    }

    /// The features of a domain.
    ///
    /// @throws XenError ENOENT for a domain that does not exist
    public int features(DomId domain) throws XenError {
        return ofExisting(domain).features();
    }

    /// Sets the features that a domain's ring page will show when it is introduced. The caller has checked that it is
    /// not introduced yet.
    ///
    /// @throws XenError ENOENT for a domain that does not exist, EINVAL for a feature that does not exist
    public void setFeatures(DomId domain, int features) throws XenError {
        Account account = ofExisting(domain);
        if ((features & ~Features.ALL) != 0) {
            throw XenError.EINVAL;
        }
        account.features(features);
    }

    /// The account of a domain for CONTROL.
    ///
    /// @throws XenError ENOENT for a domain that the store has not heard of
    public Account known(DomId domain) throws XenError {
        Account account = accounts.get(domain);
        if (account == null) {
            throw XenError.ENOENT;
        }
        return account;
    }

    /// The highest use of a quota by any unprivileged domain, past ones included.
    public long most(Quota quota) {
        long most = mostOfGone.getOrDefault(quota, 0L);
        for (Account account : accounts.values()) {
            if (account.domain().value() != 0) {
                most = Math.max(most, account.most(quota));
            }
        }
        return most;
    }

    /// Forgets the highest uses: [#most] starts again from what is used now.
    public void forgetMost() {
        mostOfGone.clear();
        accounts.values().forEach(Account::forgetMost);
    }
}
