package io.xenemu.gnttab;

/// The surroundings of a domain's grant table.
///
/// @param domains finds domains by id; also called for the domain itself
/// @param pages provides the table's own pages
/// @param frames the pages that the domain can grant
/// @param physmap the address space into which the domain maps other domains' grants
public record GrantEnvironment(
        Granters domains, TablePages pages, GuestFrames frames, Physmap physmap) {}
