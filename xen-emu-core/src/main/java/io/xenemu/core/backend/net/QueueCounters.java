package io.xenemu.core.backend.net;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/// What one queue has moved and dropped in one direction since the device was attached.
final class QueueCounters {
    final LongAdder packets = new LongAdder();
    final LongAdder bytes = new LongAdder();
    private final Map<DropReason, LongAdder> drops = new EnumMap<>(DropReason.class);

    QueueCounters() {
        for (DropReason reason : DropReason.values()) {
            drops.put(reason, new LongAdder());
        }
    }

    void moved(long frameBytes) {
        packets.increment();
        bytes.add(frameBytes);
    }

    void dropped(DropReason reason) {
        drops(reason).increment();
    }

    LongAdder drops(DropReason reason) {
        return Objects.requireNonNull(drops.get(reason));
    }
}
