package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import org.jspecify.annotations.Nullable;

/// The ports of one domain. Finding one takes no lock; allocation requires the binding lock.
///
/// As in Xen, the table grows by buckets and never shrinks, and a port beyond the last bucket is invalid instead of
/// closed: EVTCHNOP_unmask and EVTCHNOP_status show the difference.
final class PortTable {
    /// Xen's `EVTCHNS_PER_BUCKET`: 64-byte entries in a page.
    static final int BUCKET = 64;

    private static final int BUCKET_SHIFT = 6;

    private final Bindings owner;
    private final PortAccount account;
    private final FreePorts used;
    private final Channel[][] buckets;

    /// The number of valid ports. Written after the bucket that makes them valid.
    private volatile int size;

    /// Ports in use, without the reserved port 0.
    private int active;

    /// Whether the account has got back the table's room. Guarded by the binding lock.
    private boolean released;

    /// @param capacity the most ports in any ABI
    /// @param account charged for the ports; the first bucket, which every domain needs, is never refused
    PortTable(Bindings owner, int capacity, PortAccount account) {
        this.owner = owner;
        this.account = account;
        this.used = new FreePorts(capacity);
        this.buckets = new Channel[(capacity + BUCKET - 1) / BUCKET][];
        used.take(0);
        account.takeFirst(BUCKET);
        grow();
    }

    /// The number of valid ports: every port below it is valid.
    int size() {
        return size;
    }

    /// The number of ports in use.
    int active() {
        return active;
    }

    @Nullable Channel find(EvtchnPort port) {
        int number = port.value();
        return Integer.compareUnsigned(number, size) < 0 ? at(number) : null;
    }

    /// The channel of a valid port.
    ///
    /// @throws XenError `EINVAL` if the port is invalid
    Channel get(EvtchnPort port) throws XenError {
        Channel channel = find(port);
        if (channel == null) {
            throw XenError.EINVAL;
        }
        return channel;
    }

    Channel at(int index) {
        return buckets[index >>> BUCKET_SHIFT][index & BUCKET - 1];
    }

    /// The lowest port that is free and in none of the guest's queues. As in Xen, it becomes valid, whether or not it
    /// is then taken.
    ///
    /// @param limit the port is below this
    /// @param abi knows the guest's queues
    /// @throws XenError `ENOSPC` if there is none, or the account has no room for it
    int lowestFree(int limit, @Nullable EventAbi abi) throws XenError {
        int valid = size;
        int port = used.next(1);
        while (port < limit && port < valid && abi != null && abi.isBusy(port)) {
            port = used.next(port + 1);
        }
        if (port >= limit || !growTo(port + 1)) {
            throw XenError.ENOSPC;
        }
        return port;
    }

    /// Makes at least `count` ports valid, as far as the table's capacity allows.
    ///
    /// @return false if the account has no room for them
    boolean growTo(int count) {
        while (size < count && size < buckets.length * BUCKET) {
            if (!account.take(BUCKET)) {
                return false;
            }
            grow();
        }
        return true;
    }

    /// Gives the room back to the account: the domain is ending, and nothing will be bound any more.
    void release() {
        if (!released) {
            released = true;
            account.give(size);
        }
    }

    /// Takes a given port, which must be free and valid.
    Channel take(int port) {
        used.take(port);
        active++;
        return at(port);
    }

    void release(Channel channel) {
        used.release(channel.port.value());
        active--;
    }

    private void grow() {
        int first = size;
        Channel[] bucket = new Channel[BUCKET];
        for (int i = 0; i < BUCKET; i++) {
            bucket[i] = new Channel(owner, first + i);
        }
        buckets[first >>> BUCKET_SHIFT] = bucket;
        size = first + BUCKET;
    }
}
