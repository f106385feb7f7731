package io.xenemu.core.backend;

import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.toolstack.PvDevice;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A thread of its own for each queue: `dom3-vbd-51712`, and for further queues `dom3-vbd-51712-q1`.
final class OwnQueueThreads implements QueueThreads {
    @Override
    public int offered(PvDevice device) {
        return Integer.MAX_VALUE;
    }

    @Override
    public @Nullable Runnable take(PvDevice device, DomainResources resources) {
        return resources.takeServiceThread() ? resources::giveServiceThread : null;
    }

    @Override
    public QueueThread start(
            PvDevice device, int queue, QueueWork work, Consumer<Throwable> failed) {
        return new OwnQueueThread(QueueThreads.name(device, queue), work, failed);
    }
}
