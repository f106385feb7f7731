package io.xenemu.core.backend.block;

/// A disk as its guest may use it.
///
/// @param store where its bytes are
/// @param writable whether the guest may write; the store can
/// @param discard whether the guest may discard; the store can
/// @param cdrom whether it is shown as a CD-ROM
public record BlockDisk(DiskStore store, boolean writable, boolean discard, boolean cdrom) {
    /// The number of sectors now.
    long sectors() {
        return store.bytes() / DiskStore.SECTOR;
    }

    /// Whether a range is in the disk. All numbers are the guest's, and unsigned.
    boolean contains(long sector, long count) {
        long size = sectors();
        return Long.compareUnsigned(count, size) <= 0
                && Long.compareUnsigned(sector, size - count) <= 0;
    }
}
