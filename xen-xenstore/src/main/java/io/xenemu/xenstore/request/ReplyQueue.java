package io.xenemu.xenstore.request;

import io.xenemu.xenstore.wire.MessageType;

/// Queues the replies to a client's requests, in order with its watch events.
public interface ReplyQueue {
    /// Queues a reply; never refuses one.
    void reply(MessageType type, int requestId, int transactionId, byte[] payload);
}
