package io.xenemu.gnttab;

/// What surrounds a domain's grant table.
///
/// @param domains finds other domains by id; asked for the domain itself too
/// @param pages gives the table's own pages
/// @param frames the pages that the domain can grant
/// @param physmap where it maps what others grant
public record GrantEnvironment(
        Domains domains, TablePages pages, GuestFrames frames, Physmap physmap) {}
