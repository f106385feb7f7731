package io.xenemu.xenstore;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.wire.Features;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What one domain may hold, what it holds, and what it was denied; and the features that it may use. Nodes are counted in
/// [NodeCounts]. It lasts from the first mention of a domain until that domain is gone.
final class Account {
    private static final Logger LOG = LoggerFactory.getLogger(Account.class);

    /// What there is to tell of one quota.
    private static final class Use {
        long most;
        long denied;
    }

    private final DomId domain;
    private final NodeCounts nodes;
    private final Map<Quota, Use> uses = new EnumMap<>(Quota.class);
    private Quotas quotas;
    private int features = Features.ALL;
    private int watches;
    private long watchBytes;
    private int transactions;
    private long transactionBytes;
    private IntSupplier outstanding = () -> 0;
    private IntSupplier outputBytes = () -> 0;
    private boolean warned;
    private boolean rests;
    private long restUntil;

    /// @param nodes those of the whole store
    Account(DomId domain, Quotas quotas, NodeCounts nodes) {
        this.domain = domain;
        this.quotas = quotas;
        this.nodes = nodes;
        Quota.all().forEach(quota -> uses.put(quota, new Use()));
    }

    private Use of(Quota quota) {
        return Objects.requireNonNull(uses.get(quota));
    }

    DomId domain() {
        return domain;
    }

    Quotas quotas() {
        return quotas;
    }

    /// What the domain holds already stays, also beyond a lower limit.
    void quotas(Quotas changed) {
        quotas = changed;
    }

    int features() {
        return features;
    }

    void features(int changed) {
        features = changed;
    }

    boolean hasFeature(int feature) {
        return (features & feature) != 0;
    }

    int watches() {
        return watches;
    }

    int transactions() {
        return transactions;
    }

    /// Whether it may have no turn of [CommitTurns] now.
    boolean isResting(long now) {
        rests = rests && now - restUntil < 0;
        return rests;
    }

    /// It may have no turn until then.
    void restUntil(long time) {
        rests = true;
        restUntil = time;
    }

    /// How to learn what waits in the domain's ring.
    void ring(IntSupplier outstandingRequests, IntSupplier waitingBytes) {
        outstanding = outstandingRequests;
        outputBytes = waitingBytes;
    }

    void addWatch(Watch watch) {
        watches++;
        watchBytes += watch.key().bytes();
    }

    void removeWatch(Watch watch) {
        watches--;
        watchBytes -= watch.key().bytes();
    }

    void addTransaction() {
        transactions++;
    }

    /// Open transactions have become larger, or with fewer bytes, smaller.
    void growTransactions(long bytes) {
        transactionBytes += bytes;
    }

    void removeTransaction() {
        transactions--;
    }

    /// Bytes of everything.
    long memory() {
        return nodes.bytes(domain) + memoryBesideNodes();
    }

    /// Bytes of everything but nodes, of which a transaction has its own count.
    long memoryBesideNodes() {
        return watchBytes + transactionBytes + outputBytes.getAsInt();
    }

    /// What the domain uses of a quota now; 0 for a quota of single nodes, paths or transactions.
    long used(Quota quota) {
        return switch (quota) {
            case NODES -> nodes.nodes(domain);
            case WATCHES -> watches;
            case OUTSTANDING -> outstanding.getAsInt();
            case MEMORY, SOFT_MEMORY -> memory();
            case TRANSACTIONS -> transactions;
            case TRANSACTION_NODES, NODE_PERMISSIONS, PATH_MAX, NODE_SIZE -> 0;
        };
    }

    /// The most that the domain has used of a quota.
    long most(Quota quota) {
        return Math.max(of(quota).most, used(quota));
    }

    void forgetMost() {
        for (Quota quota : Quota.all()) {
            of(quota).most = used(quota);
        }
    }

    /// How often the domain was denied something for a quota, or for a soft one, warned of.
    long denied(Quota quota) {
        return of(quota).denied;
    }

    /// Has the domain use `value` of a quota.
    ///
    /// @throws XenError the quota's error if that is too much
    void use(Quota quota, long value) throws XenError {
        if (!quotas.allows(quota, value)) {
            of(quota).denied++;
            throw quota.error();
        }
        note(quota, value);
    }

    /// Remembers it if it is the most.
    void note(Quota quota, long value) {
        Use use = of(quota);
        if (value > use.most) {
            use.most = value;
        }
    }

    /// As [#use] for memory, hard and soft.
    void useMemory(long bytes) throws XenError {
        use(Quota.MEMORY, bytes);
        noteSoft(bytes);
    }

    /// Whether there is memory for `bytes` more of output; counts that it is denied if not.
    boolean hasRoomForOutput(int bytes) {
        long wanted = memory() + bytes;
        if (!quotas.allows(Quota.MEMORY, wanted)) {
            of(Quota.MEMORY).denied++;
            return false;
        }
        noteSoft(wanted);
        return true;
    }

    /// An operator is told once, since a guest can cross the limit as often as it likes; the metric counts.
    private void noteSoft(long bytes) {
        if (quotas.allows(Quota.SOFT_MEMORY, bytes)) {
            return;
        }
        of(Quota.SOFT_MEMORY).denied++;
        if (!warned) {
            warned = true;
            LOG.warn("{} exceeds its soft memory quota of XenStore: {} bytes", domain, bytes);
        }
    }
}
