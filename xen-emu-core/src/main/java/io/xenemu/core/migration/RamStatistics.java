package io.xenemu.core.migration;

/// The RAM of a saved guest, as its stream has it.
///
/// @param totalPages all pages
/// @param pages those that the stream has; the others are zero
/// @param sections the sections with pages
/// @param compressedSections those with compressed pages
/// @param bytes the length of all its sections
public record RamStatistics(
        long totalPages, long pages, long sections, long compressedSections, long bytes) {}
