package io.xenemu.core.backend;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.core.delivery.EventRate;
import io.xenemu.core.delivery.WorkGate;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.thread.Epoll;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A platform thread for one queue, such as `dom3-9pfs-0-q1`, which sleeps until a descriptor is signalled. A gate is
/// between the events and the work, so that whoever has ended the thread knows that no work runs any more (XSA-374).
///
/// [EventRate] limits runs that find nothing to do (XSA-332). Runs with work are limited by the work itself.
final class OwnQueueThread implements QueueThread {
    /// Signalled descriptors that one wait tells; the rest is told by the next one.
    private static final int EVENTS = 4;

    /// The key of all descriptors: each is a signal.
    private static final long KEY = 0;

    private final EventFd eventFd;
    private final Epoll epoll;
    private final WorkGate gate = WorkGate.newShut();
    private final QueueWork work;
    private final Consumer<Throwable> failed;
    private final Thread thread;
    private volatile boolean ending;

    @GuardedBy("this")
    private boolean fdClosed;

    /// @param queue number of the queue in its device, from 0
    /// @param failed receives an exception of the work, which does not run any more then
    /// @throws io.xenemu.kvm.abi.KvmException if the process has no descriptor left
    OwnQueueThread(PvDevice device, int queue, QueueWork work, Consumer<Throwable> failed) {
        this.work = work;
        this.failed = failed;
        thread = Thread.ofPlatform().name(name(device, queue)).daemon().unstarted(this::loop);
        Teardown undo = new Teardown();
        try {
            eventFd = EventFd.create();
            undo.add(eventFd::close);
            epoll = new Epoll(EVENTS);
            undo.add(epoll::close);
            epoll.add(eventFd.fd(), KEY);
            thread.start();
        } catch (RuntimeException | Error e) {
            undo.closeAfter(e);
            throw e;
        }
    }

    /// Takes what such a thread needs of the process's resources, from the guest's share.
    ///
    /// @return gives it back; null if the guest may have no more
    static @Nullable Runnable take(DomainResources resources) {
        return resources.takeServiceThread() ? resources::giveServiceThread : null;
    }

    private static String name(PvDevice device, int queue) {
        String name =
                "%s-%s-%d".formatted(device.frontend(), device.kind().directory(), device.id());
        return queue == 0 ? name : name + "-q" + queue;
    }

    private void loop() {
        EventRate idle = new EventRate(System.nanoTime());
        try {
            await();
            while (!ending) {
                if (!runGated()) {
                    sleep(idle.ran(System.nanoTime()));
                }
                await();
            }
        } catch (RuntimeException | Error e) {
            ending = true;
            failed.accept(e);
        } finally {
            closeFd();
        }
    }

    private void await() {
        while (epoll.await(-1) == 0) {
            // A signal to the thread.
        }
    }

    private boolean runGated() {
        gate.enter();
        try {
            return ending || work.run();
        } finally {
            gate.leave();
        }
    }

    private void sleep(long nanos) {
        long end = System.nanoTime() + nanos;
        for (long left = nanos; left > 0 && !ending; left = end - System.nanoTime()) {
            LockSupport.parkNanos(this, left);
        }
    }

    private synchronized void closeFd() {
        fdClosed = true;
        epoll.close();
        eventFd.close();
    }

    @Override
    public EventFd eventFd() {
        return eventFd;
    }

    @Override
    public synchronized void signal() {
        if (!fdClosed) {
            eventFd.signal();
        }
    }

    @Override
    public synchronized void watch(int descriptor) {
        if (!fdClosed) {
            epoll.add(descriptor, KEY);
        }
    }

    @Override
    public void open() {
        gate.open();
        signal();
    }

    @Override
    public boolean hold(Duration limit) throws InterruptedException {
        return gate.shut(limit);
    }

    @Override
    public boolean end(Duration limit) throws InterruptedException {
        ending = true;
        gate.end();
        signal();
        LockSupport.unpark(thread);
        return thread.join(limit);
    }

    @Override
    public String toString() {
        return thread.getName();
    }
}
