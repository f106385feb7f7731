package io.xenemu.core.backend;

import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.toolstack.PvDevice;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Chooses the thread of each queue: [EngineThreads] those of engines, which serve many queues, and [OwnQueueThreads]
/// one for each.
public interface QueueThreads {
    /// A thread of its own for each queue.
    QueueThreads OWN = new OwnQueueThreads();

    /// The most queues that a device may offer its guest now; 0 if it cannot be served.
    int offered(PvDevice device);

    /// Takes what the thread of a queue needs of the process's resources, from the guest's share.
    ///
    /// @return gives it back; null if the guest may have no more
    @Nullable Runnable take(PvDevice device, DomainResources resources);

    /// Prepares the thread of a queue. Its work does not run before [QueueThread#open].
    ///
    /// @param queue number of the queue in its device, from 0
    /// @param failed receives an exception of the work, which does not run any more then
    QueueThread start(PvDevice device, int queue, QueueWork work, Consumer<Throwable> failed);

    /// The name of a queue's thread.
    static String name(PvDevice device, int queue) {
        String name =
                "%s-%s-%d".formatted(device.frontend(), device.kind().directory(), device.id());
        return queue == 0 ? name : name + "-q" + queue;
    }
}
