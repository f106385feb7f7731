package io.xenemu.xenstore.ring;

import io.xenemu.xenstore.wire.MessageHeader;
import java.util.Arrays;

/// The request that is arriving in a ring. It comes in any pieces, and is taken off the ring as they arrive. The
/// store's lock is held.
final class RingInput {
    private final byte[] message = new byte[MessageHeader.SIZE + MessageHeader.PAYLOAD_MAX];
    private int received;

    /// Takes bytes of this request off the ring: up to the end of its header, or of its payload.
    ///
    /// @param from their place in the stream of requests
    /// @param available the number of bytes that have arrived
    /// @return the number of bytes taken
    int take(RingPage page, int from, int available) {
        int count = Math.min(available, missing());
        page.readRequest(from, message, received, count);
        received += count;
        return count;
    }

    /// Bytes missing to complete the header or, after it, the message.
    private int missing() {
        if (received < MessageHeader.SIZE) {
            return MessageHeader.SIZE - received;
        }
        return MessageHeader.SIZE + MessageHeader.length(message, 0) - received;
    }

    /// Whether the header has just arrived and announces a payload over the limit.
    boolean isTooLong() {
        return received == MessageHeader.SIZE
                && MessageHeader.isTooLong(MessageHeader.length(message, 0));
    }

    boolean isComplete() {
        return missing() == 0;
    }

    /// The bytes, valid until the next request begins.
    byte[] message() {
        return message;
    }

    /// Begins with the next request, whether or not this one is complete.
    void clear() {
        received = 0;
    }

    /// A copy of the bytes that have arrived, to save them.
    byte[] copy() {
        return Arrays.copyOf(message, received);
    }

    /// Puts back saved bytes, which are a part of a request.
    void restore(byte[] bytes) {
        received = bytes.length;
        System.arraycopy(bytes, 0, message, 0, received);
    }
}
