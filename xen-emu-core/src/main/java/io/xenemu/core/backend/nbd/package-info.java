/// Disks in formats other than raw, and disks of other machines: an NBD client of our own, and the supervision of
/// `qemu-nbd` or `qemu-storage-daemon`.
///
/// - [NbdOpener] opens every disk of the service. [NbdStore] is the disk, a `DiskStore`. [NbdQueue] decides which
///   request goes where, [NbdRequest] and [RequestQueue] are what it decides on; [NbdSender] and [NbdReceiver] move
///   bytes; [NbdRecovery] replaces connections that broke: [NbdConnector] makes them, [NbdOutage] says when,
///   [WriteJournal] has what a server that died may have lost. [NbdMetrics] counts.
/// - The protocol (`proto.md` of the NBD project): [NbdProtocol] has its numbers, [NbdHandshake] the greeting,
///   [NbdExport] its result, [ReplyReader] the replies, with [ReplyBuffer] over an [NbdInput], [ChunkCoverage] for
///   reads in parts and [NbdExtents] for block status; [NbdConnection] is one connection, with [RequestSlots] and
///   [RequestBatch] for what is under way and what goes next; [NbdQuestion] is a wait for an answer, [NbdException] a
///   failure.
/// - The server, [NbdServer]: [RemoteServer] at an [NbdUri], or [QemuNbd] for a [DiskImage] in an [ImageFormat] from an
///   [ImageSource] such as an [RbdImage], with a [ServerProgram] and its [Lifeline], and [Json]
///   for its command line.
///
/// A server is not trusted: what cannot be ends the connection. An acknowledged write is kept until a flush, since
/// QEMU has new entries of an image's tables in memory alone until then.
@NullMarked
package io.xenemu.core.backend.nbd;

import org.jspecify.annotations.NullMarked;
