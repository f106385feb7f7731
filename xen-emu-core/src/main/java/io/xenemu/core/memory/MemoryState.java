package io.xenemu.core.memory;

import com.google.common.primitives.ImmutableLongArray;
import java.util.List;
import java.util.Optional;

/// The saved state of a domain's memory, without the contents of its RAM, which travel by pages.
///
/// Pages of other domains are not part of it: their mappings are in the grant table's state.
///
/// @param overlays the special pages that the guest sees, in the order of their numbers
/// @param gone the pages of RAM that are not at their frames
/// @param owned the number of pages that the domain owns
/// @param contents the special pages that are not all zeros, in the order of their numbers
/// @param further the state that version 1 does not have; a domain without it was like a new one in this respect
public record MemoryState(
        List<Overlay> overlays,
        PageRuns gone,
        long owned,
        List<Content> contents,
        Optional<Further> further) {
    /// The state of a domain that another hypervisor has built, before its guest has placed any page here.
    ///
    /// @param gone the pages of RAM that it does not have
    /// @param owned the number of pages that it owns
    /// @param most the number of pages that it may own, beside some slack: not more than its memory map has
    /// @param highest the highest frame that has a page
    public static MemoryState imported(PageRuns gone, long owned, long most, long highest) {
        return new MemoryState(
                List.of(),
                gone,
                owned,
                List.of(),
                Optional.of(new Further(most + Reservation.SLACK, 0, highest, List.of())));
    }

    public MemoryState {
        overlays = List.copyOf(overlays);
        contents = List.copyOf(contents);
    }

    /// The frame at which the guest sees a special page.
    ///
    /// @param page its number in [SpecialPages]
    /// @param gfn the guest frame
    public record Overlay(int page, long gfn) {}

    /// The contents of a special page.
    ///
    /// @param page its number in [SpecialPages]
    /// @param words its 4096 bytes, little-endian
    public record Content(int page, ImmutableLongArray words) {}

    /// A page of RAM at a frame that is not its own.
    ///
    /// @param page its number
    /// @param gfn the guest frame
    public record Displaced(int page, long gfn) {}

    /// The account of pages.
    ///
    /// @param owned the number that the domain owns
    /// @param max the number that it may own
    /// @param onDemand the number that it sees and does not own
    public record Account(long owned, long max, long onDemand) {}

    /// The state that version 2 has added.
    ///
    /// @param max see [Account]
    /// @param onDemand see [Account]
    /// @param highest the highest frame that ever had a page
    /// @param displaced in the order of their frames
    public record Further(long max, long onDemand, long highest, List<Displaced> displaced) {
        public Further {
            displaced = List.copyOf(displaced);
        }
    }
}
