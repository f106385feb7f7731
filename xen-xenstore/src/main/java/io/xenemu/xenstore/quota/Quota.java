package io.xenemu.xenstore.quota;

import io.xenemu.kvm.abi.XenError;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Limits of the memory and objects that an unprivileged domain can make the store hold, with C xenstored's names and
/// defaults (`docs/misc/xenstore.txt`, GET_QUOTA; `xenstored --quota`), so that a guest that works there works here.
public enum Quota {
    /// Nodes that a domain may own; checked when it creates one more.
    NODES("nodes", 1000, "Nodes per domain"),

    /// Registered watches. The error is that of Xen 4.17; Xen 4.23 returns ENOSPC.
    WATCHES("watches", 128, "Watches per domain"),

    /// Requests whose replies a domain has not read. Further requests wait in its ring.
    ///
    /// C xenstored also counts a request while its watch events wait for other readers. Here those count on the
    /// readers' accounts ([#MEMORY]), so that no reader can stop another client.
    OUTSTANDING("outstanding", 20, "Outstanding requests per domain"),

    /// Bytes of a domain's nodes, watches, transactions and unread output. C xenstored stops serving a domain beyond
    /// this limit. Here a request that needs more memory gets ENOMEM, further watch events are dropped, and the
    /// domain may still read and remove.
    ///
    /// Nodes count as in xenstored, with their contents and [#NODE_HEADER]; each takes at most [Node#VERSION_BYTES]
    /// more. Watches count with every level of their path, transactions with every node that they have read or
    /// changed and what they have read there. A domain holds at most this limit and [#MEMORY_SLACK]. The earlier
    /// versions of the tree that open transactions keep depend on what others change; they are limited for all guests
    /// together, by [#PINNED_BYTES].
    MEMORY("memory", 2_621_440, "Total Xenstore memory per domain (error level)"),

    /// Open transactions.
    TRANSACTIONS("transactions", 10, "Active transactions per domain"),

    /// Nodes that one transaction has read or changed, whether they exist or not. It also limits the transaction's
    /// changes: one node can have many.
    TRANSACTION_NODES("transaction-nodes", 1024, "Max. number of accessed nodes per transaction"),

    /// Entries in a permission list.
    NODE_PERMISSIONS("node-permissions", 5, "Max. number of permissions per node"),

    /// Bytes of a path, without a leading `/local/domain/<id>/`.
    PATH_MAX("path-max", 2048, "Max. length of a node path"),

    /// Bytes of a node as xenstored stores it: [#NODE_HEADER], [#NODE_PERMISSION] for each permission, the value, and
    /// the children's names.
    NODE_SIZE("node-size", 2048, "Max. size of a node"),

    /// Bytes of memory, as [#MEMORY], at which the log warns. Nothing is refused.
    SOFT_MEMORY("soft-memory", 2_097_152, "Total Xenstore memory per domain (warning level)");

    /// Bytes beyond [#MEMORY] that a domain may hold: unread replies, and what the last operation of each transaction
    /// has read.
    public static final int MEMORY_SLACK = 1 << 20;

    /// About the bytes of replaced nodes that the open transactions of all guests together may keep from being freed:
    /// some thousand changes. Beyond that, they let go of their versions of the tree; each then repeats its changes
    /// when it goes on.
    public static final long PINNED_BYTES = 16L << 20;

    /// Bytes that xenstored stores with each node in addition to its contents.
    public static final int NODE_HEADER = 24;

    /// Bytes that xenstored stores for each entry of a permission list.
    public static final int NODE_PERMISSION = 8;

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

    /// All quotas, in the order in which users see them.
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

    /// The quota of that name among the soft or among the hard ones; null if there is none.
    ///
    /// @param plain the name as [#plainText] returns it
    public static @Nullable Quota named(String plain, boolean soft) {
        Quota quota = named(soft ? SOFT + plain : plain);
        return quota == null || quota.isSoft() == soft ? quota : null;
    }

    /// The name on the wire and on command lines, such as `transaction-nodes`.
    public String text() {
        return text;
    }

    /// The default limit.
    public int standard() {
        return standard;
    }

    /// A description in one line, for users.
    public String description() {
        return description;
    }

    /// Whether the store only warns if it is exceeded.
    public boolean isSoft() {
        return text.startsWith(SOFT);
    }

    /// The name without `soft-`.
    public String plainText() {
        return isSoft() ? text.substring(SOFT.length()) : text;
    }

    /// The error of a request that would exceed it.
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
