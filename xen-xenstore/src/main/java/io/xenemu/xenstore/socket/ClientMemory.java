package io.xenemu.xenstore.socket;

import io.xenemu.xenstore.tree.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/// Limits the heap that all socket clients together use: incomplete requests, and output that they do not read.
/// Guests cause events for clients of the host by changing their own nodes. So at the limit, the client with the most
/// unread output is disconnected.
///
/// The path of a waiting event is held once for all clients. The store's lock is held, except for [#used].
public final class ClientMemory {
    /// The divisor of the heap for clients; the rest is for nodes, guests and garbage of requests.
    private static final int HEAP_PARTS = 8;

    /// The smallest limit: enough for some ten thousand events, whatever the heap.
    private static final long MIN_LIMIT_BYTES = 8 << 20;

    /// About the bytes of a map entry, without its path.
    private static final int ENTRY_BYTES = 96;

    /// One client.
    interface Client {
        /// Bytes that it has not read.
        long behind();

        /// Drops all its output, and closes its connection when the lock is released. It then holds nothing any more.
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

    /// Memory that no client uses yet.
    ///
    /// @param limit bytes
    public ClientMemory(long limit) {
        this.limit = limit;
    }

    /// The memory of this process, with a limit that depends on its heap.
    public static ClientMemory ofThisProcess() {
        return new ClientMemory(
                Math.max(MIN_LIMIT_BYTES, Runtime.getRuntime().maxMemory() / HEAP_PARTS));
    }

    /// Bytes held now. Any thread.
    public long used() {
        return used;
    }

    /// The number of clients disconnected at the limit. Any thread.
    public long disconnected() {
        return disconnected;
    }

    void add(Client client) {
        clients.add(client);
    }

    void remove(Client client) {
        clients.remove(client);
    }

    /// Counts one more use of a path. Returns the shared instance, to pass to [#release] later.
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

    /// Changes the bytes that clients hold, without paths, by `bytes`.
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
