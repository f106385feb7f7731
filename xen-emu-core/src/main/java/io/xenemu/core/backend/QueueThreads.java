package io.xenemu.core.backend;

import io.xenemu.core.toolstack.PvDevice;
import java.util.function.Consumer;

/// Chooses the thread of each queue. This is the place for engines that serve many queues.
@FunctionalInterface
public interface QueueThreads {
    /// A thread of its own for each queue: `dom3-vbd-51712`, and for further queues `dom3-vbd-51712-q1`.
    QueueThreads OWN =
            (device, queue, work, failed) -> new OwnQueueThread(name(device, queue), work, failed);

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
