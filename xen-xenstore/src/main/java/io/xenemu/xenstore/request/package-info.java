/// From a client's message to its reply: what all transports that speak the wire protocol share.
///
/// Start at [StoreAccess]: a transport takes the lock, passes the messages that have arrived, and releases the lock.
/// [RequestHandler] decodes a message, calls the store and queues the reply in a [ReplyQueue]; an [OutputQueue] is one,
/// as bytes. [ControlCommands] are those of CONTROL. [DomainRequests] start and end the service of a guest's ring.
///
/// Lock: the store's is held, except in [StoreAccess#enter].
@NullMarked
package io.xenemu.xenstore.request;

import org.jspecify.annotations.NullMarked;
