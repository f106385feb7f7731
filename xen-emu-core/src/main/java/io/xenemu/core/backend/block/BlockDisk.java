package io.xenemu.core.backend.block;

/// A disk as its guest may use it.
///
/// @param store where its bytes are
/// @param writable whether the guest may write; the store can
/// @param discard whether the guest may discard; the store can
/// @param cdrom whether it is shown as a CD-ROM
/// @param sectorBytes the guest's sector: every request begins and ends at one; a power of two from 512
public record BlockDisk(
        DiskStore store, boolean writable, boolean discard, boolean cdrom, int sectorBytes) {
    public BlockDisk {
        if (sectorBytes < DiskStore.SECTOR || Integer.bitCount(sectorBytes) != 1) {
            throw new IllegalArgumentException(sectorBytes + " bytes");
        }
    }

    /// The number of 512-byte units now, which are those of all numbers in the ring whatever the guest's sector is. A
    /// last part that makes no whole sector does not count.
    long sectors() {
        return (store.bytes() & -sectorBytes) / DiskStore.SECTOR;
    }

    /// Whether a range is in the disk, and begins and ends at sectors of the guest. All numbers are the guest's, in
    /// 512-byte units, and unsigned.
    boolean contains(long sector, long count) {
        long size = sectors();
        long unit = sectorBytes / DiskStore.SECTOR;
        return Long.compareUnsigned(count, size) <= 0
                && Long.compareUnsigned(sector, size - count) <= 0
                && ((sector | count) & (unit - 1)) == 0;
    }
}
