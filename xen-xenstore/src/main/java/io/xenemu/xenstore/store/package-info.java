/// The store itself: tree, watches, transactions, and the sessions of its clients. It knows no transport.
///
/// Start at [XenStore]. A request becomes one of its methods. A change goes through [TreeEditor], which checks
/// permissions and quotas, makes the next version of the immutable tree, and tells [WatchTable].
///
/// Families of files:
///
/// - The tree of the store: [XenStore], [TreeEditor], [ChangeRoom] (room in the file).
/// - Clients: [Session], [Caller] (its rights), [Outlet] (the way of its output).
/// - Transactions: [Transaction], [OpenTransactions], [Dependencies], [CommitTurns].
/// - Watches: [WatchTable], [Watch], [NodeEvent]; [SpecialWatches], [SpecialPermissions].
/// - Domains that come and go: [KnownDomains], [IntroducedDomains], [FormerDomains], [DomainRemoval].
/// - Saved state: [StoreSnapshot].
///
/// Lock: one for everything here; the transports take it ([io.xenemu.xenstore.request.StoreAccess]). [ChangeRoom],
/// [KnownDomains] and [Outlet] are called under it; they must not call the store.
@NullMarked
package io.xenemu.xenstore.store;

import org.jspecify.annotations.NullMarked;
