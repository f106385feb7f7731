/// Disks that the service serves itself (Xen's `public/io/blkif.h`).
///
/// [DiskStore] is where a disk's bytes are, which completes each [DiskTransfer]; [DiskOp] names its operations,
/// [DiskFeatures] what it can do. [FileStore] is a raw image or a block device.
@NullMarked
package io.xenemu.core.backend.block;

import org.jspecify.annotations.NullMarked;
