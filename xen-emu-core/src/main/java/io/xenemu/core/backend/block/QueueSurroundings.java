package io.xenemu.core.backend.block;

import io.xenemu.gnttab.BackendMappings;
import java.util.function.LongSupplier;

/// What a [BlockQueue] needs of its device.
///
/// @param disk the disk
/// @param throttle the disk's limits
/// @param grants maps the guest's pages
/// @param metrics counts requests
/// @param clock nanoseconds, by which runs end
record QueueSurroundings(
        BlockDisk disk,
        DiskThrottle throttle,
        BackendMappings grants,
        BlockMetrics metrics,
        LongSupplier clock) {}
