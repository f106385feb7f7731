/// Guest memory: physical memory, page-table walks, and the layouts of structures that guests pass by address.
///
/// In reading order:
///
/// - Physical memory: [GuestMemory] of [MemoryRegions], each a [MemoryRegion] of a [MemFd]; [GuestAtomics] for
///   words that the guest changes at the same time.
/// - Linear addresses of a hypercall's caller: [LinearMemory] translates by [PageWalk] and the registers of
///   [CpuState]. A [LinearTranslation] of another kind takes its place in a replay; a [GuestAccessObserver] sees all
///   that is copied.
/// - Structures: [StructBuilder] declares a [GuestStruct] of [GuestField]s for both widths, [FieldKind] has the C
///   types. [GuestArgument] is the private copy of one: copied in once, checked once.
/// - Memory that comes later: [UserFaultFd] makes threads wait for pages, [MissingPages] guards them,
///   by the [PresentPages] that have come.
/// - Beside these: [EventFd]; [WriteLog], which learns of this process's writes; [MemoryBarrier].
///
/// Locks: a change of the regions takes a monitor in [GuestMemory]; reading takes none, because a set of regions
/// never changes. A [GuestArgument] belongs to one vCPU's thread.
@NullMarked
package io.xenemu.kvm.memory;

import org.jspecify.annotations.NullMarked;
