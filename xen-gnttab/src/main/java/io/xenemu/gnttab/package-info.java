/// Xen grant tables of the domains of one service: entries of versions 1 and 2, mappings, copies, and saved state.
/// The module knows no KVM: core implements the interfaces below.
///
/// Start at [GrantTable], which has every operation. Then read [Pins] for the granting side and [GuestMappings] for
/// the mapping side.
///
/// Families of files:
///
/// - The table and its entries: [EntryTable], [Entries], [V1Entries], [V2Entries], [GrantEntry], [Gtf],
///   [TableFrame].
/// - The granting side: [Pins] checks an entry in Xen's order and marks it as in use in [ActiveEntries];
///   [PinnedFrames] counts uses by page; [Lifetime] says when nothing of an ended domain is in use any more.
/// - The mapping side: [GuestMappings], [Maptrack]; operations that are served together: [MapBatch], [UnmapBatch],
///   [FrameOrder].
/// - Copies: [GrantCopy], [CopyEnd].
/// - Mappings of the service's own back ends: [BackendMappings], [GrantMapping], [GrantRange], and
///   [GrantPages] for the pages of one request.
/// - Domain 0's table, which grants nothing: [ServiceGrants].
/// - Interfaces that core implements: [Granters], [GuestFrames], [ContiguousPages], [Physmap], [TablePages];
///   together [GrantEnvironment].
/// - Values at the border: [GrantRef], [GrantStatus], [GrantLimits], [GrantOp], [GrantObserver].
/// - Saved state: [GrantTableState], [GrantTableCodec], the earlier version [GrantTableStateV1], and [RestoredPins]
///   for uses that nobody has taken over yet.
/// - Meters: [GrantTableMetrics].
///
/// Locks. No thread holds locks of two domains.
///
/// - The monitor of [EntryTable]: growth and change of the version. A change of the version also takes the lock of
///   every block, in ascending order.
/// - The lock of 512 entries that follow one another ([ActiveEntries]): bringing one into use, and out of it.
/// - The monitors of [Maptrack], [PinnedFrames] and [RestoredPins] are leaves. A handle is taken first and
///   published last, so the three parties of a mapping are locked one after the other.
@NullMarked
package io.xenemu.gnttab;

import org.jspecify.annotations.NullMarked;
