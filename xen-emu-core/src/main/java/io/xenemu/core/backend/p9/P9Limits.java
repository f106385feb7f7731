package io.xenemu.core.backend.p9;

/// The limits of one share. A guest that reaches one gets an errno for that request, and the service's memory stays
/// bounded.
///
/// @param fids numbers that the guest may hold for files; EMFILE beyond
/// @param openFiles files that the guest may have open, each as often as it is opened, and descriptors of the share: a
///     fid that is not open gives its descriptor back before EMFILE
public record P9Limits(int fids, int openFiles) {
    /// Linux holds a fid for each name that it keeps in its cache.
    public static final int DEFAULT_FIDS = 16_384;

    /// Below the usual 4096 of a process, and many more than a guest has files open.
    public static final int DEFAULT_OPEN_FILES = 1024;

    /// The least descriptors of a share, though its guest may open fewer files: four workers walk and open with them.
    static final int MIN_DESCRIPTORS = 16;

    /// An operator's largest `max-open-files`.
    public static final int MAX_OPEN_FILES = 65_536;

    /// Fids of extended attributes; EMFILE beyond.
    static final int ATTRIBUTE_FIDS = 64;

    /// Bytes of a value or a list of extended attributes (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
    static final int ATTRIBUTE_BYTES = 65_536;

    /// Bytes of a directory in one answer; the guest asks again.
    static final int DIRECTORY_BYTES = 65_536;

    /// Bytes of paths of all fids that have given their descriptors back. A fid whose path needs more after a rename is
    /// ESTALE.
    static final int PARKED_BYTES = 4 << 20;

    /// The longest such path (`PATH_MAX` without its end).
    static final int PARKED_PATH = 4095;

    /// The most descriptors of the share.
    int descriptors() {
        return Math.max(openFiles, MIN_DESCRIPTORS);
    }

    /// The limits of a share whose operator has not set any.
    public static final P9Limits DEFAULT = new P9Limits(DEFAULT_FIDS, DEFAULT_OPEN_FILES);
}
