package io.xenemu.core.guest;

import io.xenemu.core.device.GenerationId;
import java.time.Instant;
import java.time.ZoneId;

/// The settings of a guest's clock and of its VM generation id.
///
/// @param generation its id at first; [GenerationId#NONE] for a guest without
/// @param rtcOffsetSeconds how far its clock is ahead of the host's UTC
/// @param localTime whether the host's time zone is added to that at each boot
public record PlatformSettings(GenerationId generation, long rtcOffsetSeconds, boolean localTime) {
    /// A guest's platform if nothing else is asked for: UTC, and no id.
    public static final PlatformSettings DEFAULT =
            new PlatformSettings(GenerationId.NONE, 0, false);

    /// How far the clock of a guest that boots now is ahead of UTC, in seconds.
    long clockOffset(Instant now) {
        long zone =
                localTime ? ZoneId.systemDefault().getRules().getOffset(now).getTotalSeconds() : 0;
        return rtcOffsetSeconds + zone;
    }

    /// These settings for another guest, which has an id of its own.
    PlatformSettings sibling() {
        return generation.exists() ? withGeneration(GenerationId.random()) : this;
    }

    /// These settings with another id.
    PlatformSettings withGeneration(GenerationId id) {
        return new PlatformSettings(id, rtcOffsetSeconds, localTime);
    }

    /// These settings with a clock that the guest has set, so that the time zone is in it.
    PlatformSettings withClock(long offsetSeconds) {
        return new PlatformSettings(generation, offsetSeconds, false);
    }
}
