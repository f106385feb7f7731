package io.xenemu.core.backend.net;

import java.util.Arrays;
import java.util.List;

/// The multicast addresses whose frames a guest wants (`feature-multicast-control`). One thread of each queue may use
/// it.
final class MulticastFilter {
    /// Linux's limit (`XEN_NETBK_MCAST_MAX`).
    static final int LIMIT = 64;

    private final boolean enabled;
    private final long[] addresses = new long[LIMIT];
    private int count;

    /// @param enabled whether the guest has asked for the filter; all multicast frames pass otherwise
    MulticastFilter(boolean enabled) {
        this.enabled = enabled;
    }

    /// Takes over the addresses of a restored guest.
    ///
    /// @param from at most [#LIMIT], each once
    synchronized void restore(List<Long> from) {
        for (long address : from) {
            boolean _ = add(address);
        }
    }

    /// Whether the guest has asked for the filter.
    boolean isEnabled() {
        return enabled;
    }

    /// The addresses that it lets pass.
    synchronized List<Long> addresses() {
        return Arrays.stream(addresses, 0, count).boxed().toList();
    }

    /// Adds an address. One that is there already stays once.
    ///
    /// @return false if there is no room
    synchronized boolean add(long address) {
        if (find(address) >= 0) {
            return true;
        }
        if (count == LIMIT) {
            return false;
        }
        addresses[count++] = address;
        return true;
    }

    /// Removes an address, if it is there.
    synchronized void remove(long address) {
        int at = find(address);
        if (at >= 0) {
            addresses[at] = addresses[--count];
        }
    }

    private int find(long address) {
        for (int i = 0; i < count; i++) {
            if (addresses[i] == address) {
                return i;
            }
        }
        return -1;
    }

    /// Whether a frame to this address goes to the guest.
    boolean admits(long address) {
        if (!enabled || !EthernetAddress.isMulticast(address)) {
            return true;
        }
        synchronized (this) {
            return find(address) >= 0;
        }
    }
}
