package io.xenemu.core.domain;

import io.xenemu.core.boot.GuestMemoryMap;
import java.util.List;
import java.util.Optional;

/// The memory map that XENMEM_memory_map gives to a domain. At first it is that of the domain's memory; the guest may
/// replace it (XENMEM_set_memory_map), which changes nothing else. Any thread may use it.
public final class ReportedMemoryMap {
    /// `E820MAX`: the most entries that a guest may set.
    public static final int MAX_ENTRIES = 1024;

    /// An entry as the guest sees it (`struct e820entry`).
    ///
    /// @param start guest-physical address, any 64 bits
    /// @param length in bytes, any 64 bits
    /// @param type any number; the [GuestMemoryMap.Type]s are usual
    public record Entry(long start, long length, int type) {}

    private volatile List<Entry> entries;
    private volatile boolean replaced;

    ReportedMemoryMap(GuestMemoryMap map) {
        entries =
                map.entries().stream()
                        .map(entry ->
                                new Entry(entry.start(), entry.length(), entry.type().number()))
                        .toList();
    }

    /// The entries; none if the guest has set an empty map.
    public List<Entry> entries() {
        return entries;
    }

    /// Replaces them.
    ///
    /// @param next [#MAX_ENTRIES] at most
    public void set(List<Entry> next) {
        replaced = true;
        entries = List.copyOf(next);
    }

    /// The reason against a save: the saved state has no place yet for a map that the guest has set.
    Optional<String> blocker() {
        return replaced ? Optional.of("it has set its own memory map") : Optional.empty();
    }
}
