/// Memory of a domain: RAM, the pages that it shares with the service, and pages of other domains that it maps.
///
/// Start at [DomainMemory], which has the page that the guest sees at each frame, and the monitor that guards it.
///
/// Families of files:
///
/// - The guest's address space: [DomainMemory] finds pages, [DomainPhysmap] changes what is at a frame.
/// - Its parts, one for each kind of page: [SpecialOverlays] with [SpecialPages], [ForeignOverlays], [RamPlacement]
///   with [RamPages] and [Reservation]. Below them: [AddressSpace], [PhysicalRanges], [PhysicalRange], [HolePages].
/// - RAM that comes while the guest runs: [LateMemory], [LatePages], [RamView].
/// - Pages that were written since a migration has taken them: [RamLog] of the [SlotLog]s of KVM and the [DirtyPages]
///   of this process.
/// - Pages as other domains use them: [DomainFrames], [PageNumbers], [MachineFrames], [ContiguousViews], [DeadMemory].
/// - Answers to a guest: [FrameUse].
/// - Saved state: [MemoryState], [PageRuns], [MemoryStateCodec].
/// - Resources that domains take from one host: [HostResources], [DomainResources].
///
/// Locks: the monitor of [DomainMemory] guards the pages that the guest sees, in all parts. With it held, the grant
/// table is asked whether a page is in use, and the host's budget for mappings. [PageNumbers] needs no lock.
@NullMarked
package io.xenemu.core.memory;

import org.jspecify.annotations.NullMarked;
