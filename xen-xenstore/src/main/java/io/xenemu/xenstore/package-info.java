/// XenStore: the store, its requests, and the transports that carry them. Usable alone, without KVM.
///
/// Start at [XenStoreServer], which puts everything together. Then read [LockedStore], and in the order of a guest's
/// request `ring.RingConnection`, `request.RequestHandler`, `store.XenStore` and `store.TreeEditor`.
///
/// The packages, from above to below; each uses only packages below it, which ArchitectureTest checks:
///
/// - this one: [XenStoreServer] composes; [LockedStore] is the store with its [StoreLock].
/// - `ring`, `socket`, `client`: the transports. They do not know each other.
/// - `request`: from a message to its reply, and `StoreAccess`, by which transports see the store.
/// - `store`: the store itself: tree, watches, transactions, sessions.
/// - `metrics`, `quota`: meters; limits and what is used of them.
/// - `persist`: the file of a store. `stream`: Xen's migration format. `state`: saved state.
/// - `wire`, `tree`: messages and the immutable tree.
///
/// Lock: one, [StoreLock], guards the store and all sessions. Each transport takes it once for a batch of requests.
/// It is a leaf: doorbells, wake-ups and listeners are called after it is released. The interfaces
/// `store.KnownDomains`, `ring.GuestDomains`, `store.ChangeRoom` and `metrics.RequestMetrics` are called under it; they
/// must not call the store.
///
/// Threads: a guest's ring is served on the thread that calls `RingConnection.service`; all clients of a socket on
/// one thread, `xenstore-socket`.
@NullMarked
package io.xenemu.xenstore;

import org.jspecify.annotations.NullMarked;
