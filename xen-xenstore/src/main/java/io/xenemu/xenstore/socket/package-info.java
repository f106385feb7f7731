/// The transport of host tools: a Unix socket that speaks the wire protocol.
///
/// Start at [SocketTransport]: one thread, `xenstore-socket`, serves all clients in turns. [SocketConnection] is one
/// client, [SocketOutput] the output that it has not read, [ClientMemory] the limit of all clients' memory.
///
/// Lock: the store's guards output and [ClientMemory]. It is taken for a batch of requests, and is never held while
/// bytes are read or written.
@NullMarked
package io.xenemu.xenstore.socket;

import org.jspecify.annotations.NullMarked;
