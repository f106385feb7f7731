package io.xenemu.gnttab;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Uses of entries from a saved domain's state that no user has taken over yet. Empty in a domain that was not
/// restored.
final class RestoredPins {
    /// One use that no user has taken over.
    record Use(int ref, boolean readOnly) {}

    private static final class Entry {
        final int user;
        int readers;
        int writers;

        Entry(int user, int readers, int writers) {
            this.user = user;
            this.readers = readers;
            this.writers = writers;
        }
    }

    private final Map<Integer, Entry> entries = new HashMap<>();

    synchronized void add(int ref, int user, int readers, int writers) {
        entries.put(ref, new Entry(user, readers, writers));
    }

    /// Takes over one use.
    ///
    /// @return false if there is no such use
    synchronized boolean take(int ref, int user, boolean readOnly) {
        Entry entry = entries.get(ref);
        if (entry == null || entry.user != user) {
            return false;
        }
        if (readOnly && entry.readers > 0) {
            entry.readers--;
        } else if (!readOnly && entry.writers > 0) {
            entry.writers--;
        } else {
            return false;
        }
        if (entry.readers + entry.writers == 0) {
            entries.remove(ref);
        }
        return true;
    }

    /// Takes over every use by one domain.
    synchronized List<Use> takeAll(int user) {
        List<Use> uses = new ArrayList<>();
        entries.forEach((ref, entry) -> {
            for (int i = 0; entry.user == user && i < entry.readers + entry.writers; i++) {
                uses.add(new Use(ref, i < entry.readers));
            }
        });
        entries.values().removeIf(entry -> entry.user == user);
        return uses;
    }
}
