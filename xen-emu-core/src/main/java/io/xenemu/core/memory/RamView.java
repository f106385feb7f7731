package io.xenemu.core.memory;

import java.lang.foreign.MemorySegment;

/// A mapping of a domain's RAM in this process, as it was before pages were shown over it.
///
/// @param mapping consecutive pages
/// @param first the number of the first page
public record RamView(MemorySegment mapping, long first) {}
