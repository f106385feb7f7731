/// Disks that the service serves itself (Xen's `public/io/blkif.h`).
///
/// [BlockKind] opens disks, [BlockBackend] is one disk, [BlockConnection] a guest's connection to it. The work is in
/// [BlockQueue], which takes the requests of one [RequestRing], has them carried out and answers. [QueueSurroundings]
/// is what it needs, [QueueSignals] what it tells. [SlotReader] checks requests, [BlockRequest] is one in progress,
/// [JoinedRequests] are neighbours in one transfer, [PendingBarrier] is what the others wait for, [RequestPool] has
/// those that are not in use. [BlockAbi] reads the two layouts of slots, with [BlockOp] and [BlockStatus] for their
/// numbers; [BlockDisk] is the disk as its guest may use it, [DiskThrottle] its limits, [BlockMetrics] its meters.
///
/// [BlockState] is a disk's saved state, [BlockStateCodec] its form. [LateEnds] keeps requests in flight as they are
/// while it is taken, and [StoreFlush] comes before it.
///
/// [DiskStore] is where a disk's bytes are, which completes each [DiskTransfer]; [DiskOp] names its operations,
/// [DiskFeatures] what it can do. [FileStore] is a raw image or a block device,
/// [UringStore] one whose operations end later, [SlowCalls] decides for some of them. [DiskOpener] opens stores, and
/// [ClaimedStore] is one that can be given up, so that another host has it. [DiskChecker] looks for a disk before. A
/// [HandedOverStore] goes on in another process of the service.
///
/// The content of a disk can go with its guest: [OutgoingDisk] reads it, and [StoreWrites] notes what changes it
/// meanwhile. At the other host, [DiskCopier] makes it anew as an [IncomingFile], or as a [ComparedFile] that is
/// there.
///
/// Locks: the monitors of [RequestRing], [LateEnds], [OutgoingDisk], [ComparedFile] and [StoreFlush]; all are
/// leaves. Stores are called without them. That of [ClaimedStore] is held while the disk is opened or closed, and
/// by nobody who has requests.
@NullMarked
package io.xenemu.core.backend.block;

import org.jspecify.annotations.NullMarked;
