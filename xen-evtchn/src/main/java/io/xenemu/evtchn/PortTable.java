package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import org.jspecify.annotations.Nullable;

/// The ports of one domain. Finding one takes no lock; allocation is for the holder of the binding lock.
///
/// As in Xen the table grows by buckets and never shrinks, and a port in no bucket yet is invalid rather than closed:
/// EVTCHNOP_unmask and EVTCHNOP_status show the difference.
final class PortTable {
    /// Xen's `EVTCHNS_PER_BUCKET`: 64-byte entries in a page.
    static final int BUCKET = 64;

    private static final int BUCKET_SHIFT = 6;

    private final Bindings owner;
    private final PortAccount account;
    private final FreePorts used;
    private final Channel[][] buckets;

    /// Written after the bucket that it makes valid.
    private volatile int size;

    /// Ports in use, without the reserved port 0.
    private int active;

    /// Whether [#account] has been given back what it paid. Guarded by the binding lock.
    private boolean released;

    /// @param capacity the most ports that there will ever be, in whatever ABI
    /// @param account pays for all but the first bucket, without which there is no domain
    PortTable(Bindings owner, int capacity, PortAccount account) {
        this.owner = owner;
        this.account = account;
        this.used = new FreePorts(capacity);
        this.buckets = new Channel[(capacity + BUCKET - 1) / BUCKET][];
        used.take(0);
        account.takeFirst(BUCKET);
        grow();
    }

    /// The number of valid ports, which are those below it.
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

    /// The lowest port that is free, and that a guest has not left in one of its queues. It is valid from here on, as in Xen,
    /// whether or not it is taken.
    ///
    /// @param limit ports are below it
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

    /// Makes at least `count` ports valid, as far as the table has room for them.
    ///
    /// @return false if the account has not
    boolean growTo(int count) {
        while (size < count && size < buckets.length * BUCKET) {
            if (!account.take(BUCKET)) {
                return false;
            }
            grow();
        }
        return true;
    }

    /// The domain is at its end, and nothing will be bound: another's ports have the room.
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
