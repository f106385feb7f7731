/// Saved guests as a stream: to a file, a pipe or a connection, and back. Neither side seeks, except
/// for [SavedPages], and neither has more than a few sections of a guest's memory.
///
/// Start at [SaveWriter] and [SaveReader]. The format is described in `docs/saved-state.md`.
///
/// Families of files:
///
/// - The stream: [SaveWriter], [SaveReader], [SaveFormat], [StreamAccount]; what it is: [PeekedChannel].
/// - Below it, sections: [SectionWriter], [SectionReader], [SectionType]; content of several: [ChunkWriter],
///   [ChunkStream].
/// - What a guest's sections say: [GuestSummary], [SavedConfig], [BootFile], [SavedHead], [FileContents].
/// - RAM: [RamSource], [RamCopy], [RamWriter], [RamReader], [RamStatistics], [WrittenRam], [PageBatches], [PageBatch],
///   [PackingGain], [PagesBody], [PageEncoding], [ZstdPages], [SectionWorkers]. [SavedPages] reads it in any order,
///   from a file, and gives it to a [PageRunSink].
/// - RAM of a guest that runs, in rounds: [RoundWriter], [ZeroBatch], [Pace], [IncomingRam]; what follows a round:
///   [Convergence]. Over several connections: [FurtherWriters], [FurtherReaders], each with
///   a [StreamThread] for a connection.
/// - Disks whose content goes with such a guest: [DiskSource], [BlockLog], [DiskWriter]; [DiskSink].
/// - Messages around a stream: [MigrationLink], [MigrationMessage], [BackChannel], [DetachableChannel]; of a live
///   update [UpdateLink], [UpdateMessage].
/// - Pages after the guest runs at the destination: [PageSender], [PageFrame], [PageFrameReader].
/// - A whole stream in short: [SavedReport].
/// - The end of a cancelled one: [SaveCancelledException].
///
/// No locks, but for the set of a round's pages, which the threads of further connections share: one thread writes or
/// reads a stream, and others look at its [io.xenemu.core.host.WorkProgress]. [SectionWorkers] pack and unpack the
/// pages, one of them each section.
@NullMarked
package io.xenemu.core.migration;

import org.jspecify.annotations.NullMarked;
