package io.xenemu.xenstore;

/// Limits for what one unprivileged domain may make the store hold. Domain 0 has none of these. The defaults are C
/// xenstored's, so that a guest which lives within them there does so here.
///
/// @param nodes nodes that a domain may own when it creates one more; beyond: ENOSPC
/// @param watches watches of a domain; beyond: E2BIG (as Xen 4.17; 4.23 says ENOSPC)
/// @param transactions open transactions of a domain; beyond: ENOSPC
/// @param nodeSize bytes of a node that a domain writes, counted as xenstored stores it: [#NODE_HEADER], 8 for each
///     permission, the value, and the children's names; beyond: ENOSPC
/// @param permissions entries in the permission list that a domain sets; beyond: ENOSPC
/// @param transactionOperations changes within one transaction; beyond: ENOSPC
/// @param transactionNodes nodes that one transaction may depend on, whether it found them or not; beyond: ENOSPC
/// @param queuedBytes output that waits for a domain which does not read; further watch events are dropped and counted
public record Quotas(
        int nodes,
        int watches,
        int transactions,
        int nodeSize,
        int permissions,
        int transactionOperations,
        int transactionNodes,
        int queuedBytes) {
    /// What xenstored stores with each node beside its contents.
    public static final int NODE_HEADER = 24;

    /// C xenstored's limits. Two are ours: `transactionNodes`, four for each change, which looks at the nodes above it too;
    /// and `queuedBytes`, room for some 10,000 events.
    public static final Quotas DEFAULT = new Quotas(1000, 128, 10, 2048, 5, 1024, 4096, 1 << 20);
}
