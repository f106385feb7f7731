package io.xenemu.xenstore;

import io.xenemu.kvm.abi.XenError;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What an unprivileged domain can make the store hold, with C xenstored's names and defaults (`docs/misc/xenstore.txt`,
/// GET_QUOTA; `xenstored --quota`), so that a guest which lives within them there does so here.
public enum Quota {
    /// Nodes that a domain may own when it creates one more.
    NODES("nodes", 1000, "Nodes per domain"),

    /// Registered watches. The error is that of Xen 4.17; 4.23 says ENOSPC.
    WATCHES("watches", 128, "Watches per domain"),

    /// Requests whose replies a domain has not read. Further ones wait in its ring.
    ///
    /// C xenstored also counts a request while its watch events wait for other readers; here those are on the readers'
    /// account ([#MEMORY]), so that none can stop another.
    OUTSTANDING("outstanding", 20, "Outstanding requests per domain"),

    /// Bytes of what a domain's nodes, watches, transactions and unread output take. C xenstored leaves a domain over it
    /// unserved; here it is told ENOMEM for what would take more, gets no further watch events, and may still read and
    /// remove.
    ///
    /// Nodes count as in xenstored: what they hold and [#NODE_HEADER]; each takes [Node#VERSION_BYTES] more at most. Watches
    /// count with every level of their path, transactions with every node that they have looked at or changed and what they
    /// have seen there. A domain holds at most this and [#MEMORY_SLACK]. What open transactions keep of earlier versions of
    /// the tree depends on what others change, and is bounded for all guests together, [OpenTransactions#PINNED_BYTES].
    MEMORY("memory", 2_621_440, "Total Xenstore memory per domain (error level)"),

    /// Open transactions.
    TRANSACTIONS("transactions", 10, "Active transactions per domain"),

    /// Nodes that one transaction has looked at or changed, whether they exist or not; also its changes, of which one node
    /// can have many.
    TRANSACTION_NODES("transaction-nodes", 1024, "Max. number of accessed nodes per transaction"),

    /// Entries in a permission list.
    NODE_PERMISSIONS("node-permissions", 5, "Max. number of permissions per node"),

    /// Bytes of a path, without `/local/domain/<id>/` in front.
    PATH_MAX("path-max", 2048, "Max. length of a node path"),

    /// Bytes of a node as xenstored stores it: [#NODE_HEADER], [#NODE_PERMISSION] for each permission, the value, and the
    /// children's names.
    NODE_SIZE("node-size", 2048, "Max. size of a node"),

    /// As [#MEMORY], but a warning is all that happens.
    SOFT_MEMORY("soft-memory", 2_097_152, "Total Xenstore memory per domain (warning level)");

    /// Bytes beyond [#MEMORY] that a domain may hold: unread replies, and in each transaction what its last operation has
    /// looked at.
    static final int MEMORY_SLACK = 1 << 20;

    /// What xenstored stores with each node beside its contents.
    static final int NODE_HEADER = 24;

    /// What xenstored stores for each entry of a permission list.
    static final int NODE_PERMISSION = 8;

    private static final List<Quota> ALL = List.of(values());
    private static final String SOFT = "soft-";

    private final String text;
    private final int standard;
    private final String description;

    Quota(String text, int standard, String description) {
        this.text = text;
        this.standard = standard;
        this.description = description;
    }

    /// All of them, in the order in which they are listed to users.
    public static List<Quota> all() {
        return ALL;
    }

    /// The quota of that name, or null.
    public static @Nullable Quota named(String text) {
        for (Quota quota : ALL) {
            if (quota.text.equals(text)) {
                return quota;
            }
        }
        return null;
    }

    /// The quota of that name among those that are only warned of, or among the others; null if there is none.
    ///
    /// @param plain as [#plainText] tells it
    public static @Nullable Quota named(String plain, boolean soft) {
        Quota quota = named(soft ? SOFT + plain : plain);
        return quota == null || quota.isSoft() == soft ? quota : null;
    }

    /// The name on the wire and on command lines, such as `transaction-nodes`.
    public String text() {
        return text;
    }

    /// The limit unless set otherwise.
    public int standard() {
        return standard;
    }

    /// One line for users.
    public String description() {
        return description;
    }

    /// Whether exceeding it is only warned of.
    public boolean isSoft() {
        return text.startsWith(SOFT);
    }

    /// The name without `soft-`.
    public String plainText() {
        return isSoft() ? text.substring(SOFT.length()) : text;
    }

    /// What a request is answered that would exceed it.
    XenError error() {
        return switch (this) {
            case NODES, TRANSACTIONS, TRANSACTION_NODES, NODE_PERMISSIONS, NODE_SIZE ->
                    XenError.ENOSPC;
            case WATCHES -> XenError.E2BIG;
            case MEMORY, SOFT_MEMORY -> XenError.ENOMEM;
            case PATH_MAX -> XenError.EINVAL;
            case OUTSTANDING -> XenError.EBUSY; // not told: such a request waits
        };
    }
}
