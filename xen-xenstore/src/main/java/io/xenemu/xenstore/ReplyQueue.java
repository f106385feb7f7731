package io.xenemu.xenstore;

import io.xenemu.xenstore.wire.MessageType;

/// Takes the replies to a client's requests, in order with its watch events.
interface ReplyQueue {
    /// Queues a reply, which is always taken.
    void reply(MessageType type, int requestId, int transactionId, byte[] payload);
}
