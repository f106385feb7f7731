package io.xenemu.xenstore;

import io.xenemu.xenstore.tree.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/// The heap that all clients of the sockets together make the store hold: requests that are not whole yet, and output that
/// they do not read. Guests cause events for clients of the host by what they may do in their own nodes, so at the limit the
/// client that is furthest behind is disconnected.
///
/// The paths of waiting events are held once for all clients. The store's lock is held, except for [#used].
final class ClientMemory {
    /// The part of the heap that it may take: beside it are nodes, guests and what requests leave.
    private static final int HEAP_PARTS = 8;

    /// Enough for some ten thousand events, whatever the heap.
    private static final long MIN_LIMIT_BYTES = 8 << 20;

    /// About what a path takes in the map, beside itself.
    private static final int ENTRY_BYTES = 96;

    /// One client.
    interface Client {
        /// Bytes that it has not taken.
        long behind();

        /// Drops all its output, and ends its connection when the lock is released. It holds nothing from now on.
        void disconnect();
    }

    private static final class Shared {
        final Path path;
        int holders;

        Shared(Path path) {
            this.path = path;
        }
    }

    private final long limit;
    private final Map<Path, Shared> paths = new HashMap<>();
    private final Set<Client> clients = new LinkedHashSet<>();
    // Written with the lock held.
    private volatile long used;
    private volatile long disconnected;

    /// @param limit bytes
    ClientMemory(long limit) {
        this.limit = limit;
    }

    /// With the limit for the heap of this process.
    static ClientMemory ofThisProcess() {
        return new ClientMemory(
                Math.max(MIN_LIMIT_BYTES, Runtime.getRuntime().maxMemory() / HEAP_PARTS));
    }

    /// Bytes that are held. Any thread.
    long used() {
        return used;
    }

    /// Clients that were disconnected at the limit. Any thread.
    long disconnected() {
        return disconnected;
    }

    void add(Client client) {
        clients.add(client);
    }

    void remove(Client client) {
        clients.remove(client);
    }

    /// Holds a path once more; returns the one that is held, to be given back to [#release].
    Path hold(Path path) {
        Shared shared = paths.get(path);
        if (shared == null) {
            shared = new Shared(path);
            paths.put(path, shared);
            change(path.bytes() + ENTRY_BYTES);
        }
        shared.holders++;
        return shared.path;
    }

    void release(Path path) {
        Shared shared = paths.get(path);
        if (shared != null && --shared.holders == 0) {
            paths.remove(path);
            change(-path.bytes() - ENTRY_BYTES);
        }
    }

    /// A client holds so many bytes more, or less, beside paths.
    @SuppressWarnings("NonAtomicVolatileUpdate") // the store's lock is held
    void change(long bytes) {
        used += bytes;
    }

    /// Disconnects clients until the others are within the limit.
    @SuppressWarnings("NonAtomicVolatileUpdate") // the store's lock is held
    void bound() {
        while (used > limit && !clients.isEmpty()) {
            Client last =
                    clients.stream().max(Comparator.comparingLong(Client::behind)).orElseThrow();
            clients.remove(last);
            last.disconnect();
            disconnected++;
        }
    }
}
