package io.xenemu.core.migration;

import java.util.List;

/// What a stream tells of a guest before its state.
///
/// @param guest which guest it is
/// @param config its configuration
/// @param files what its next boot needs, the kernel first
public record SavedHead(GuestSummary guest, SavedConfig config, List<BootFile> files) {
    public SavedHead {
        files = List.copyOf(files);
    }
}
