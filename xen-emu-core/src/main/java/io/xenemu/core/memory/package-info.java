/// Memory of a domain: RAM, the pages that it shares with the service, and pages of other domains that it maps.
///
/// Start at [DomainMemory], which has the page that the guest sees at each frame.
///
/// Families of files:
///
/// - The guest's address space: [DomainMemory], [PhysicalRanges], [PhysicalRange], [RamPages], [SpecialPages],
///   [HolePages], [Reservation], [FrameUse].
/// - Pages as other domains use them: [DomainFrames], [MachineFrames], [DomainPhysmap], [ContiguousViews],
///   [DeadMemory].
/// - Saved state: [MemoryState], [MemoryStateCodec].
/// - Resources that domains take from one host: [HostResources], [DomainResources].
///
/// Locks: the monitor of [DomainMemory] guards the pages that the guest sees. With it held, the grant table is asked
/// whether a page is in use.
@NullMarked
package io.xenemu.core.memory;

import org.jspecify.annotations.NullMarked;
