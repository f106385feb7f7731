package io.xenemu.core.memory;

import java.util.List;

/// Memory whose RAM can come while it is used: [DomainMemory].
public interface LateMemory {
    /// Bytes of RAM.
    long ramBytes();

    /// All mappings of RAM in this process, the first of all pages. None has pages shown over it yet.
    List<RamView> ramViews();

    /// Lets the pages of RAM come later. Called before any page is used, or shown elsewhere.
    void comesLater(LatePages pages);

    /// All pages of RAM are there, and missing ones do not wait any more.
    void hasCome();
}
