/// XenStore: the store, its requests, and the transports that carry them. Usable alone, without KVM.
///
/// Start at [XenStoreServer], which puts everything together and owns the lock. Then read `RequestHandler` (from
/// one message to its reply), `XenStore` and `TreeEditor`. The packages below have the parts that know no client:
/// `tree` (immutable nodes), `wire` (messages), `quota` (limits), `state` (saved state), `stream` (Xen's migration
/// format), `persist` (the store's file), `metrics`.
///
/// Families of files:
///
/// - Requests: `RequestHandler`, `ControlCommands`, `DomainRequests`, `Caller`, `RequestMetrics`.
/// - The store: `XenStore`, `TreeEditor`, `NodeCounts`, `DomainRemoval`, `FormerDomains`, `IntroducedDomains`,
///   `ChangeRoom`.
/// - Transactions: `Transaction`, `OpenTransactions`, `Dependencies`, `CommitTurns`.
/// - Watches: `WatchTable`, `Watch`, `NodeEvent`, `SpecialWatches`, `SpecialPermissions`.
/// - Limits of guests: `Quota`, `Quotas`, `Account`, `Accounts`.
/// - Clients: `Session`, with its output in `OutputQueue` and `ReplyQueue`, moved on by an `Outlet`. Transports see
///   the store as `StoreAccess`; [LockedStore] is that.
/// - Guests' rings: [GuestRings], [RingConnection], [RingPage], [Ring], [IntroducedRing], [Doorbell].
/// - Unix sockets: [SocketTransport], [SocketConnection], [SocketOutput], [ClientMemory].
/// - Clients in this process: [XenStoreClient], [StoreView], [WatchListener].
/// - The nodes that a toolstack gives a domain: [DomainNodes], [DomainDescription].
/// - What the store asks about domains: `KnownDomains`, [GuestDomains].
/// - Saved state: `XenStoreState`, `XenStoreCodec`, `StoreSnapshot`, [StoreRestoration], `SavedQuotas`.
/// - Meters: `XenStoreMetrics`.
///
/// Lock: one, [StoreLock], guards the store and all sessions. Each transport takes it once for a batch of requests.
/// Doorbells, wake-ups and listeners are called after it is released. `ChangeRoom`, `KnownDomains`, [GuestDomains] and
/// `RequestMetrics` are called under it; they must not call the store.
///
/// Threads: a guest's ring is served on the thread that calls [RingConnection#service]; all clients of a socket on
/// one thread, `xenstore-socket`.
@NullMarked
package io.xenemu.xenstore;

import org.jspecify.annotations.NullMarked;
