package io.xenemu.kvm.file;

/// What fstat(2), and for a block device its own calls, say about an open file.
///
/// @param kind what it is
/// @param bytes the size of a file or block device; 0 for others
/// @param blockBytes of a file the file system's block (`st_blksize`), of a block device its physical block; 512 for
///     others
/// @param sectorBytes the smallest unit that can be written: of a block device its logical block, 512 for others
public record FileStatus(Kind kind, long bytes, int blockBytes, int sectorBytes) {
    /// The kinds of files, as far as disks care.
    public enum Kind {
        REGULAR,
        BLOCK_DEVICE,
        DIRECTORY,
        OTHER
    }
}
