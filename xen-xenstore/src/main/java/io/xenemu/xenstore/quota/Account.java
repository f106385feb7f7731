package io.xenemu.xenstore.quota;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.wire.Features;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The quotas and features of one domain, what it uses of them, and what it was denied. Nodes are counted in
/// [NodeCounts]. An account lasts from the first mention of a domain until that domain is gone.
public final class Account {
    private static final Logger log = LoggerFactory.getLogger(Account.class);

    /// Counters of one quota: the highest use, and how often it was denied.
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

    /// @param nodes the node counts of the whole store
    public Account(DomId domain, Quotas quotas, NodeCounts nodes) {
        this.domain = domain;
        this.quotas = quotas;
        this.nodes = nodes;
        Quota.all().forEach(quota -> uses.put(quota, new Use()));
    }

    private Use of(Quota quota) {
        return Objects.requireNonNull(uses.get(quota));
    }

    /// The account's domain.
    public DomId domain() {
        return domain;
    }

    /// The limits.
    public Quotas quotas() {
        return quotas;
    }

    /// Changes the limits. The domain keeps what it has, even beyond a lower limit.
    public void quotas(Quotas changed) {
        quotas = changed;
    }

    /// The features that the domain is offered: bits of [Features].
    public int features() {
        return features;
    }

    /// Sets the features.
    public void features(int changed) {
        features = changed;
    }

    /// Whether the domain is offered a feature, a bit of [Features].
    public boolean hasFeature(int feature) {
        return (features & feature) != 0;
    }

    /// The number of registered watches.
    public int watches() {
        return watches;
    }

    /// The number of open transactions.
    public int transactions() {
        return transactions;
    }

    /// Whether the domain may not get a turn to commit now, after it had one.
    public boolean isResting(long now) {
        rests = rests && now - restUntil < 0;
        return rests;
    }

    /// Lets the domain get no turn until `time`.
    public void restUntil(long time) {
        rests = true;
        restUntil = time;
    }

    /// Sets the functions that count the ring's outstanding requests and waiting output bytes.
    public void ring(IntSupplier outstandingRequests, IntSupplier waitingBytes) {
        outstanding = outstandingRequests;
        outputBytes = waitingBytes;
    }

    /// Counts one more watch, of `bytes` for the memory quota.
    public void addWatch(int bytes) {
        watches++;
        watchBytes += bytes;
    }

    /// Counts one watch less, of the bytes that it was added with.
    public void removeWatch(int bytes) {
        watches--;
        watchBytes -= bytes;
    }

    /// Counts one more open transaction.
    public void addTransaction() {
        transactions++;
    }

    /// Adds to the bytes of open transactions; a negative number subtracts.
    public void growTransactions(long bytes) {
        transactionBytes += bytes;
    }

    /// Counts one open transaction less.
    public void removeTransaction() {
        transactions--;
    }

    /// All bytes that count for the memory quota.
    public long memory() {
        return nodes.bytes(domain) + memoryBesideNodes();
    }

    /// Bytes that count for the memory quota, without nodes, which a transaction counts itself.
    public long memoryBesideNodes() {
        return watchBytes + transactionBytes + outputBytes.getAsInt();
    }

    /// The current use of a quota; 0 for a quota of single nodes, paths or transactions.
    public long used(Quota quota) {
        return switch (quota) {
            case NODES -> nodes.nodes(domain);
            case WATCHES -> watches;
            case OUTSTANDING -> outstanding.getAsInt();
            case MEMORY, SOFT_MEMORY -> memory();
            case TRANSACTIONS -> transactions;
            case TRANSACTION_NODES, NODE_PERMISSIONS, PATH_MAX, NODE_SIZE -> 0;
        };
    }

    /// The highest use of a quota so far.
    public long most(Quota quota) {
        return Math.max(of(quota).most, used(quota));
    }

    /// Forgets the highest uses: [#most] starts again from what is used now.
    void forgetMost() {
        for (Quota quota : Quota.all()) {
            of(quota).most = used(quota);
        }
    }

    /// How often a quota has denied something, or a soft quota was exceeded.
    public long denied(Quota quota) {
        return of(quota).denied;
    }

    /// Checks `value` against a quota, and notes it as a use.
    ///
    /// @throws XenError the quota's error if `value` exceeds it
    public void use(Quota quota, long value) throws XenError {
        if (!quotas.allows(quota, value)) {
            of(quota).denied++;
            throw quota.error();
        }
        note(quota, value);
    }

    /// Notes a use, for [#most].
    public void note(Quota quota, long value) {
        Use use = of(quota);
        if (value > use.most) {
            use.most = value;
        }
    }

    /// Counts a use of memory, against the hard and the soft quota: see [#use].
    public void useMemory(long bytes) throws XenError {
        use(Quota.MEMORY, bytes);
        noteSoft(bytes);
    }

    /// Whether `bytes` more of output fit into the memory quota; counts a denial if not.
    public boolean hasRoomForOutput(int bytes) {
        long wanted = memory() + bytes;
        if (!quotas.allows(Quota.MEMORY, wanted)) {
            of(Quota.MEMORY).denied++;
            return false;
        }
        noteSoft(wanted);
        return true;
    }

    /// Counts a use beyond the soft memory quota. Logs only the first, since a guest can cross the limit as often as
    /// it likes.
    private void noteSoft(long bytes) {
        if (quotas.allows(Quota.SOFT_MEMORY, bytes)) {
            return;
        }
        of(Quota.SOFT_MEMORY).denied++;
        if (!warned) {
            warned = true;
            log.warn("{} exceeds its soft memory quota of XenStore: {} bytes", domain, bytes);
        }
    }
}
