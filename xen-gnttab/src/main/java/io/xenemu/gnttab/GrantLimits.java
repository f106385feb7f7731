package io.xenemu.gnttab;

/// A domain's limits for grants, with the names of xl's configuration.
///
/// @param maxGrantFrames pages of entries, 1 to [#LARGEST_MAX_FRAMES]
/// @param maxMaptrackFrames the most mappings of other domains' pages, in Xen's maptrack frames of 256 mappings; 0 to
///     [#LARGEST_MAX_MAPTRACK_FRAMES]
/// @param maxGrantVersion 1 or 2; with 1, version 2 is refused as by a Xen without it
public record GrantLimits(int maxGrantFrames, int maxMaptrackFrames, int maxGrantVersion) {
    /// Xen's default (`gnttab_max_frames`): 32,768 grants in version 1.
    public static final int DEFAULT_MAX_FRAMES = 64;

    /// The largest limit of frames: 8,388,608 grants. It is half of KVM's memory slots (32,764): a guest may put each
    /// frame where it needs a slot of its own, and also an eighth as many status frames.
    public static final int LARGEST_MAX_FRAMES = 16_384;

    /// Xen's default (`gnttab_max_maptrack_frames`): 262,144 mappings.
    public static final int DEFAULT_MAX_MAPTRACK_FRAMES = 1024;

    /// The largest limit of maptrack frames: 16 million mappings, for which the host has no room anyway.
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
            throw new IllegalArgumentException("grant table version is 1 or 2: " + maxGrantVersion);
        }
    }

    /// Xen's defaults.
    public static GrantLimits defaults() {
        return new GrantLimits(DEFAULT_MAX_FRAMES, DEFAULT_MAX_MAPTRACK_FRAMES, 2);
    }

    /// The most pages of status words.
    public int maxStatusFrames() {
        return V2Entries.statusPages(maxGrantFrames);
    }
}
