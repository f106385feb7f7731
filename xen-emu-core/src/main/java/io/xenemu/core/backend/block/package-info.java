/// Disks that the service serves itself (Xen's `public/io/blkif.h`).
///
/// [BlockKind] opens disks, [BlockBackend] is one disk, [BlockConnection] a guest's connection to it. The work is in
/// [BlockQueue], which takes the requests of one ring, has them carried out and answers. [SlotReader] checks them,
/// [BlockRequest] is one in progress, [RequestPool] has those that are not. [BlockAbi] reads the two layouts of slots,
/// with [BlockOp] and [BlockStatus] for their numbers; [BlockDisk] is the disk as its guest may use it, [DiskThrottle]
/// its limits, [BlockMetrics] its meters.
///
/// [DiskStore] is where a disk's bytes are, which completes each [DiskTransfer]; [DiskOp] names its operations,
/// [DiskFeatures] what it can do. [FileStore] is a raw image or a block device. [DiskOpener] opens stores.
///
/// Locks: the monitor of each queue, a leaf. Stores are called without it.
@NullMarked
package io.xenemu.core.backend.block;

import org.jspecify.annotations.NullMarked;
