package io.xenemu.evtchn;

import io.xenemu.kvm.abi.XenError;
import java.util.Arrays;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/// The ports of one domain. Finding one takes no lock; allocation is for the holder of the binding lock.
///
/// As in Xen the table grows by buckets and never shrinks, and a port in no bucket yet is invalid rather than closed:
/// EVTCHNOP_unmask and EVTCHNOP_status show the difference.
final class PortTable {
    /// Xen's `EVTCHNS_PER_BUCKET`: 64-byte entries in a page.
    static final int BUCKET = 64;

    private final Bindings owner;
    private final BitSet used = new BitSet(4096);
    private volatile Channel[] channels = {};

    /// No free port lies below.
    private int firstFree = 1;

    PortTable(Bindings owner) {
        this.owner = owner;
        used.set(0);
        grow();
    }

    /// The number of valid ports, which are those below it.
    int size() {
        return channels.length;
    }

    @Nullable Channel find(EvtchnPort port) {
        Channel[] table = channels;
        int number = port.value();
        return Integer.compareUnsigned(number, table.length) < 0 ? table[number] : null;
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
        return channels[index];
    }

    /// Throws `ENOSPC` if every port below `limit` is in use.
    void requireFree(int limit) throws XenError {
        if (used.nextClearBit(firstFree) >= limit) {
            throw XenError.ENOSPC;
        }
    }

    /// Takes the lowest free port.
    ///
    /// @throws XenError `ENOSPC` if every port below `limit` is in use
    Channel allocate(int limit) throws XenError {
        requireFree(limit);
        int port = used.nextClearBit(firstFree);
        take(port);
        firstFree = port + 1;
        return channels[port];
    }

    /// Makes at least `size` ports valid.
    void growTo(int size) {
        while (size > channels.length) {
            grow();
        }
    }

    /// Takes a given port, which must be free.
    Channel take(int port) {
        growTo(port + 1);
        used.set(port);
        return channels[port];
    }

    void release(Channel channel) {
        int port = channel.port.value();
        used.clear(port);
        firstFree = Math.min(firstFree, port);
    }

    private void grow() {
        Channel[] old = channels;
        Channel[] grown = Arrays.copyOf(old, old.length + BUCKET);
        for (int i = old.length; i < grown.length; i++) {
            grown[i] = new Channel(owner, i);
        }
        channels = grown;
    }
}
