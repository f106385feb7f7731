package io.xenemu.core.backend;

import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineClass;
import io.xenemu.core.backend.engine.EngineQueue;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.memory.EventFd;
import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Runs queues on the engines of their domain's map. Devices of a kind that no engine serves have threads of their own,
/// and so has a device whose domain has no engines any more.
///
/// @param engines of the service
public record EngineThreads(Engines engines) {
    /// The most queues that a device may offer its guest now; 0 if it cannot be served.
    int offered(PvDevice device) {
        EngineClass type = EngineClass.serving(device.kind().directory());
        DomainEngines own = engines.find(device.frontend());
        return type == null || own == null ? Integer.MAX_VALUE : own.offered(type);
    }

    /// Takes what the thread of a queue needs of the process's resources, from the guest's share: a queue on an engine
    /// has an eventfd. The engines' threads are the service's own.
    ///
    /// @return gives it back; null if the guest may have no more
    @Nullable Runnable take(PvDevice device, DomainResources resources) {
        if (EngineClass.serving(device.kind().directory()) == null) {
            return OwnQueueThread.take(resources);
        }
        return resources.descriptors().take(1) ? () -> resources.descriptors().give(1) : null;
    }

    /// Prepares the thread of a queue. Its work does not run before [QueueThread#open].
    ///
    /// @param queue number of the queue in its device, from 0
    /// @param failed receives an exception of the work, which does not run any more then
    QueueThread start(PvDevice device, int queue, QueueWork work, Consumer<Throwable> failed) {
        EngineClass type = EngineClass.serving(device.kind().directory());
        DomainEngines own = engines.find(device.frontend());
        if (type == null || own == null) {
            return new OwnQueueThread(device, queue, work, failed);
        }
        String name = "%s-%d".formatted(device.kind().directory(), device.id());
        return new OnEngine(own.add(type, name, queue, work, failed));
    }

    /// A queue on an engine.
    private record OnEngine(EngineQueue queue) implements QueueThread {
        @Override
        public EventFd eventFd() {
            return queue.eventFd();
        }

        @Override
        public void signal() {
            queue.signal();
        }

        @Override
        public void watch(int descriptor) {
            queue.watch(descriptor);
        }

        @Override
        public void open() {
            queue.release();
        }

        @Override
        public boolean hold(Duration limit) {
            return queue.hold(limit);
        }

        @Override
        public boolean end(Duration limit) {
            return queue.close(limit);
        }

        @Override
        public String toString() {
            return queue.toString();
        }
    }
}
