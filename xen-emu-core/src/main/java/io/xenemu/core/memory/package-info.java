/// Memory of a domain: RAM, the pages that it shares with the service, and pages of other domains that it maps.
///
/// Start at [DomainMemory]: what the guest sees at each frame.
///
/// Families of files:
///
/// - What the guest sees: [DomainMemory], [PhysicalRanges], [PhysicalRange], [RamPages], [SpecialPages],
///   [HolePages], [Reservation], [FrameUse].
/// - Pages as other domains use them: [DomainFrames], [MachineFrames], [DomainPhysmap], [ContiguousViews],
///   [DeadMemory].
/// - Saved state: [MemoryState], [MemoryStateCodec].
/// - What domains take from one host: [HostResources], [DomainResources].
///
/// Locks: the monitor of [DomainMemory] guards what the guest sees at which frame. The grant table is asked below it
/// whether a page is in use.
@NullMarked
package io.xenemu.core.memory;

import org.jspecify.annotations.NullMarked;
