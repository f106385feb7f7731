/// Memory of guests that comes while they run: by a page server, a process of its own that brings pages to threads that
/// wait for them.
///
/// Start at [PageService], the service's side, and [PageServer], the other process.
///
/// - The service's side: [PageService] keeps a [PageServerProcess]; [LateRam] is the memory of one guest, and
///   [SharingProcess] another process that shares it, with [MappedRam] in it.
/// - The server's side: [PageServer] serves each [FaultingGuest] from its [PageSource], to every [FaultingProcess] of
///   it; [FilePages] is the source of a saved guest's file, [SharedPages] that of a file that several guests share.
/// - Where the pages come from, on the service's side: [PageOrigin]; from another host, on the server's: [PeerPages].
/// - Between them: [PageMessage].
///
/// Locks: the monitor of [PageService] guards its guests and the server, also while a server is started. Below it is
/// that of [LateRam], and below that the monitor of the memory. No thread waits for a page with the first two.
@NullMarked
package io.xenemu.core.paging;

import org.jspecify.annotations.NullMarked;
