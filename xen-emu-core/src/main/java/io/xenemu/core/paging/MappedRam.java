package io.xenemu.core.paging;

/// A mapping of a guest's RAM in a process.
///
/// @param address of its first page, in that process
/// @param pages their number
/// @param first the number of the first page in the RAM
public record MappedRam(long address, long pages, long first) {}
