package io.xenemu.xenstore.ring;

import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.request.OutputQueue;
import io.xenemu.xenstore.request.ReplyQueue;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;

/// Output that a guest has not read: replies and watch events, within the quotas of its domain. The store's lock is
/// held.
final class RingOutput {
    /// Answer of [#send] if the guest's indices are inconsistent.
    static final int INCONSISTENT = -1;

    /// Bytes of unread output at which no further requests are taken: four of the largest replies.
    private static final int STALL_BYTES = 4 * (MessageHeader.SIZE + MessageHeader.PAYLOAD_MAX);

    private final Account account;
    private final OutputQueue queue = new OutputQueue(); // the domain's memory quota is the limit
    // Requests handled since the guest had read all replies.
    private int outstanding;

    /// Nothing to read yet. From now on the account counts what waits here.
    RingOutput(Account account) {
        this.account = account;
        account.ring(() -> outstanding, queue::held);
    }

    /// Where replies are queued.
    ReplyQueue replies() {
        return queue;
    }

    /// Notes a request that was handled.
    void handled() {
        account.note(Quota.OUTSTANDING, ++outstanding);
    }

    /// Whether the guest reads enough for another request to be taken.
    boolean mayTakeMore() {
        return queue.size() < STALL_BYTES
                && account.quotas().allows(Quota.OUTSTANDING, outstanding + 1L);
    }

    /// Queues a watch event. A guest that has read everything always gets at least one.
    ///
    /// @return false if it was dropped, for a quota or since it is too long for the protocol
    boolean event(Path path, int skip, byte[] token) {
        int bytes = OutputQueue.held(path, skip, token);
        return (queue.isEmpty() || account.hasRoomForOutput(bytes))
                && queue.event(path, skip, token);
    }

    /// Moves output into the ring as far as there is room.
    ///
    /// @return the number of bytes, or [#INCONSISTENT]
    int send(RingPage page) {
        if (queue.isEmpty()) {
            outstanding = 0;
            return 0;
        }
        int producer = page.responseProducer();
        int used = producer - page.responseConsumer();
        if (Integer.compareUnsigned(used, RingPage.BUFFER_SIZE) > 0) {
            return INCONSISTENT;
        }
        int count = Math.min(RingPage.BUFFER_SIZE - used, queue.size());
        if (count > 0) {
            page.writeResponse(producer, queue.buffer(), queue.head(), count);
            queue.advance(count);
            if (queue.isEmpty()) {
                outstanding = 0;
            }
            page.setResponseProducer(producer + count);
        }
        return count;
    }

    /// Drops everything that waits.
    void clear() {
        queue.clear();
        outstanding = 0;
    }

    /// A copy of the waiting bytes, to save them.
    byte[] copy() {
        return queue.copy();
    }

    /// Puts back saved bytes, which may start within a message.
    void restore(byte[] bytes) {
        queue.restore(bytes);
    }
}
