package io.xenemu.core.memory;

import com.google.common.primitives.ImmutableLongArray;
import java.util.List;

/// What is saved of a domain's memory beside the contents of its RAM, which travel by pages.
///
/// Pages of other domains are not part of it: their mappings are in the grant table's state.
///
/// @param overlays the special pages that the guest sees, in the order of their numbers
/// @param gone the pages of RAM that the guest has given up: bits by page number, 64 in each word, without zero words
///     at the end
/// @param owned the number of pages that the domain owns
/// @param contents the special pages that are not all zeros, in the order of their numbers
public record MemoryState(
        List<Overlay> overlays, ImmutableLongArray gone, long owned, List<Content> contents) {
    public MemoryState {
        overlays = List.copyOf(overlays);
        contents = List.copyOf(contents);
    }

    /// Where the guest sees a special page.
    ///
    /// @param page its number in [SpecialPages]
    /// @param gfn the guest frame
    public record Overlay(int page, long gfn) {}

    /// What a special page contains.
    ///
    /// @param page its number in [SpecialPages]
    /// @param words its 4096 bytes, little-endian
    public record Content(int page, ImmutableLongArray words) {}
}
