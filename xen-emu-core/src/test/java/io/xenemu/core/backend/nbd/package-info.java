/// Tests of disks behind NBD servers: [FakeNbdServer] misbehaves as a test asks, [DiskUser] uses a disk as a device
/// does. [QemuNbdTest] needs the package qemu-utils.
@NullMarked
package io.xenemu.core.backend.nbd;

import org.jspecify.annotations.NullMarked;
