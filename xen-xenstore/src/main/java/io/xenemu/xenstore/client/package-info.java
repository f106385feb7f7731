/// Clients of the store in this process, with the rights of domain 0.
///
/// Start at [XenStoreClient]; a [StoreView] reads and changes, directly or in a transaction. A [WatchListener] is told
/// of changes; its events wait in the [Inbox] of its client.
///
/// Lock: each call takes the store's. Listeners are called without it, on the server's executor.
@NullMarked
package io.xenemu.xenstore.client;

import org.jspecify.annotations.NullMarked;
