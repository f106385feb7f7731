package io.xenemu.core.toolstack;

/// The limits of a share's folder, as xl has them (`max-files`, `max-space` and `auto-delete` in xl.cfg(5)). They count
/// what is below the folder, whoever has made it.
///
/// @param files the most names below the folder; 0 for no limit
/// @param mebibytes the most MiB that its files take on the disk; 0 for no limit
/// @param deletesOldest whether the oldest file that the guest has not open goes when a limit is reached
public record P9Quota(int files, int mebibytes, boolean deletesOldest) {
    /// No limits.
    public static final P9Quota NONE = new P9Quota(0, 0, false);

    /// Whether there is a limit.
    public boolean isLimited() {
        return files > 0 || mebibytes > 0;
    }
}
