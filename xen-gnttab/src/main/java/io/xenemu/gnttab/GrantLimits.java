package io.xenemu.gnttab;

/// What a domain may have of grants, with the names of xl's configuration.
///
/// @param maxGrantFrames pages of entries, 1 to [#LARGEST_MAX_FRAMES]
/// @param maxMaptrackFrames how many mappings of others' pages it may have, in Xen's pages of 256; 0
///     to [#LARGEST_MAX_MAPTRACK_FRAMES]
/// @param maxGrantVersion 1 or 2; with 1 a guest is told that there is no other
public record GrantLimits(int maxGrantFrames, int maxMaptrackFrames, int maxGrantVersion) {
    /// Xen's default (`gnttab_max_frames`), which makes 32,768 grants in version 1.
    public static final int DEFAULT_MAX_FRAMES = 64;

    /// The largest limit of frames, which makes 8,388,608 grants: half of the memory slots that KVM has (32,764), since a
    /// guest may put each frame, and each of an eighth as many status frames, where a slot of its own is needed.
    public static final int LARGEST_MAX_FRAMES = 16_384;

    /// Xen's default (`gnttab_max_maptrack_frames`), which makes 262,144 mappings.
    public static final int DEFAULT_MAX_MAPTRACK_FRAMES = 1024;

    /// 16 million mappings, which the host has no room for anyway.
    public static final int LARGEST_MAX_MAPTRACK_FRAMES = 65_536;

    public GrantLimits {
        if (maxGrantFrames < 1 || maxGrantFrames > LARGEST_MAX_FRAMES) {
            throw new IllegalArgumentException(
                    "a grant table has 1 to " + LARGEST_MAX_FRAMES + " frames: " + maxGrantFrames);
        }
        if (maxMaptrackFrames < 0 || maxMaptrackFrames > LARGEST_MAX_MAPTRACK_FRAMES) {
            throw new IllegalArgumentException(
                    "a domain has 0 to "
                            + LARGEST_MAX_MAPTRACK_FRAMES
                            + " maptrack frames: "
                            + maxMaptrackFrames);
        }
        if (maxGrantVersion != 1 && maxGrantVersion != 2) {
            throw new IllegalArgumentException("no grant table version: " + maxGrantVersion);
        }
    }

    /// Xen's defaults.
    public static GrantLimits defaults() {
        return new GrantLimits(DEFAULT_MAX_FRAMES, DEFAULT_MAX_MAPTRACK_FRAMES, 2);
    }

    /// Pages of status words that there can be.
    public int maxStatusFrames() {
        return V2Entries.statusPages(maxGrantFrames);
    }
}
