package io.xenemu.core.backend.engine;

import com.google.common.util.concurrent.Uninterruptibles;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.host.Teardown;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.thread.CpuAffinity;
import io.xenemu.kvm.thread.Epoll;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A thread that does the work of many queues, of any guests. It sleeps until one of them is signalled, and runs those
/// that are, in turn ([Turns]). The thread begins with the first queue.
///
/// A queue that is signalled again and again for nothing is slowed down. Its signals do not wake the thread meanwhile,
/// and neither do those of a queue that may not run. No signal is lost.
///
/// Locks: the monitor is a leaf. It guards the set of queues, and is not held during work.
public final class Engine implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Engine.class);

    /// The signalled queues that one call tells; the rest is told by the next one.
    private static final int EVENTS = 64;

    /// The key of the eventfd that ends the thread.
    private static final long END = -1;

    /// Time limit for the run in progress: as for other threads of the service.
    private static final long END_LIMIT_MILLIS = 10_000;

    /// A guest may cause a failure again and again: the log has one line of each engine in this time.
    private static final long TELL_NANOS = TimeUnit.MINUTES.toNanos(1);

    private final EngineSpec spec;
    private final Turns turns = new Turns();

    /// Queues whose last run has left more to do, for the thread alone.
    private final List<EngineSlot> unfinished = new ArrayList<>();

    /// Queues that are slowed down, for the thread alone.
    private final List<EngineSlot> paused = new ArrayList<>();

    @GuardedBy("this")
    private @Nullable Running running;

    @GuardedBy("this")
    private boolean ended;

    /// Its queues; the key of a queue's descriptors is its index. Changed with the monitor held.
    private final EngineSlots slots = new EngineSlots();

    private final EngineUse use = new EngineUse();

    /// Failures beside work since the last one in the log, and the time of that one. For the thread alone.
    private int untold;

    private long toldAt = System.nanoTime() - TELL_NANOS;

    /// The thread and its descriptors.
    private record Running(Thread thread, Epoll epoll, EventFd end) {}

    /// An engine whose thread has not begun yet.
    Engine(EngineSpec spec) {
        this.spec = spec;
    }

    /// Its name.
    public EngineId id() {
        return spec.id();
    }

    /// Its name and CPUs.
    public EngineSpec spec() {
        return spec;
    }

    /// The time that it has spent in runs, with the one in progress, in nanoseconds.
    public long busyNanos() {
        return use.busyNanos();
    }

    /// The number of runs that have ended.
    public long runs() {
        return use.runs();
    }

    /// How often the thread has been woken, or has looked for signals between runs.
    long wakeUps() {
        return use.wakeUps();
    }

    /// The number of queues that it serves.
    public synchronized int queues() {
        return slots.size();
    }

    /// Begins to serve a queue whose descriptors may have been signalled already.
    ///
    /// @param epoch of the queue
    /// @throws KvmException if the process has no descriptor left
    /// @throws IllegalStateException if the thread has ended
    synchronized EngineSlot add(EngineQueue queue, long epoch) {
        if (ended) {
            throw new IllegalStateException(this + " has ended");
        }
        Running active = running();
        EngineSlot slot = slots.add(queue, epoch);
        Teardown undo = new Teardown();
        try {
            for (int descriptor : queue.descriptors()) {
                active.epoll().add(descriptor, slot.index);
                undo.add(() -> active.epoll().remove(descriptor));
            }
            return slot;
        } catch (RuntimeException | Error e) {
            undo.closeAfter(e);
            slots.remove(slot);
            throw e;
        }
    }

    /// Ends to serve a queue. Its run may be in progress.
    synchronized void remove(EngineSlot slot) {
        Running active = running;
        try {
            if (active != null) {
                slot.queue.descriptors().forEach(active.epoll()::remove);
            }
        } finally {
            slots.remove(slot);
        }
    }

    /// Waits for one more descriptor of a queue that it serves.
    synchronized void watch(EngineSlot slot, int descriptor) {
        Epoll epoll = running().epoll();
        epoll.add(descriptor, slot.index);
        if (slot.pauses || slot.refused) {
            epoll.mute(descriptor);
        }
    }

    /// Ends to wait for such a descriptor.
    synchronized void unwatch(int descriptor) {
        running().epoll().remove(descriptor);
    }

    /// Heeds the signals of a queue that may run again. Those that came meanwhile are told now.
    synchronized void listen(EngineSlot slot) {
        if (slot.refused) {
            slot.refused = false;
            unmute(slot);
        }
    }

    /// Mutes a queue that may not run. When it may again, it calls [#listen]: after this, or this sees that it may.
    private synchronized void refuse(EngineSlot slot) {
        if (isServed(slot) && !slot.refused && slot.queue.isStopped()) {
            slot.refused = true;
            mute(slot);
        }
    }

    private synchronized void pause(EngineSlot slot, long until) {
        if (isServed(slot)) {
            slot.pauses = true;
            slot.pausesUntil = until;
            paused.add(slot);
            mute(slot);
        }
    }

    private synchronized void resume(EngineSlot slot) {
        slot.pauses = false;
        unmute(slot);
    }

    /// All of a queue's descriptors: frames that come for a queue that may not run are no reason to wake either.
    @GuardedBy("this")
    private void mute(EngineSlot slot) {
        slot.queue.descriptors().forEach(running().epoll()::mute);
    }

    /// The eventfd is readable, since its counter is never taken: so the queue has a turn soon.
    @GuardedBy("this")
    private void unmute(EngineSlot slot) {
        if (isServed(slot) && !slot.pauses && !slot.refused) {
            Epoll epoll = running().epoll();
            slot.queue.descriptors().forEach(descriptor -> epoll.unmute(descriptor, slot.index));
        }
    }

    /// A queue that has left may have closed its eventfd, and another one may have that number.
    @GuardedBy("this")
    private boolean isServed(EngineSlot slot) {
        return running != null && slots.has(slot);
    }

    @GuardedBy("this")
    private Running running() {
        Running active = running;
        if (active == null) {
            active = begin();
            running = active;
        }
        return active;
    }

    private Running begin() {
        Teardown undo = new Teardown();
        try {
            Epoll epoll = new Epoll(EVENTS);
            undo.add(epoll::close);
            EventFd end = EventFd.create();
            undo.add(end::close);
            epoll.add(end.fd(), END);
            Thread thread =
                    Thread.ofPlatform().name("engine-" + id()).daemon().unstarted(() -> run(epoll));
            thread.start();
            return new Running(thread, epoll, end);
        } catch (RuntimeException | Error e) {
            undo.closeAfter(e);
            throw e;
        }
    }

    /// A failure that belongs to no queue is the service's own, and ends it as that of any of its threads.
    private void run(Epoll epoll) {
        try {
            pin();
            while (collect(epoll)) {
                resumePaused();
                for (int left = turns.waiting(); left > 0; left--) {
                    serve((EngineSlot) turns.next());
                }
            }
        } finally {
            synchronized (this) {
                ended = true;
            }
        }
    }

    private void pin() {
        if (spec.cpus().isAll()) {
            return;
        }
        try {
            CpuAffinity.set(spec.cpus().bits());
        } catch (KvmException e) {
            log.warn("{} runs on any CPU: {}", this, e.getMessage());
        }
    }

    /// Waits for signals, unless a queue has more to do.
    ///
    /// @return false if the engine is to end
    private boolean collect(Epoll epoll) {
        int count = epoll.await(unfinished.isEmpty() ? untilResume() : 0);
        use.woken();
        for (int i = 0; i < count; i++) {
            long key = epoll.key(i);
            if (key == END) {
                return false;
            }
            EngineSlot slot = slots.at(key);
            if (slot != null && !slot.pauses) {
                turns.add(slot);
            }
        }
        // Behind those that were signalled meanwhile.
        for (int i = 0; i < unfinished.size(); i++) {
            turns.add(unfinished.get(i));
        }
        unfinished.clear();
        return true;
    }

    /// Milliseconds until a slowed queue may run, rounded up; -1 if there is none.
    private int untilResume() {
        if (paused.isEmpty()) {
            return -1;
        }
        long now = System.nanoTime();
        long least = Long.MAX_VALUE;
        for (int i = 0; i < paused.size(); i++) {
            least = Math.min(least, paused.get(i).pausesUntil - now);
        }
        return Math.toIntExact(Math.max(0, TimeUnit.NANOSECONDS.toMillis(least) + 1));
    }

    private void resumePaused() {
        if (paused.isEmpty()) {
            return;
        }
        long now = System.nanoTime();
        for (int i = paused.size() - 1; i >= 0; i--) {
            EngineSlot slot = paused.get(i);
            if (slot.pausesUntil - now <= 0) {
                paused.remove(i);
                resume(slot);
            }
        }
    }

    /// What fails for one queue, beside its work, harms no other guest's queue.
    private void serve(EngineSlot slot) {
        try {
            // A queue that is held, moved or closed is signalled again when it may run.
            if (slot.queue.enter(slot)) {
                runEntered(slot);
            } else {
                refuse(slot);
            }
        } catch (RuntimeException | Error e) {
            use.failed();
            tell(slot, e);
        }
    }

    private void tell(EngineSlot slot, Throwable failure) {
        untold++;
        long now = System.nanoTime();
        if (now - toldAt >= TELL_NANOS) {
            log.error(
                    "{}: {} has failed beside its work; failures so far unsaid: {}",
                    this,
                    slot.queue,
                    untold - 1,
                    failure);
            toldAt = now;
            untold = 0;
        }
    }

    private void runEntered(EngineSlot slot) {
        use.begin(System.nanoTime());
        EngineQueue.Outcome outcome;
        try {
            outcome = slot.queue.run();
        } finally {
            slot.queue.leave();
        }
        long end = System.nanoTime();
        use.end(end);
        switch (outcome) {
            case MORE -> {
                slot.idle = false;
                unfinished.add(slot);
            }
            case DONE -> slot.idle = false;
            case NOTHING -> foundNothing(slot, end);
        }
    }

    /// A signal may come while the run before serves what it announces. So only a further run in vain counts.
    private void foundNothing(EngineSlot slot, long now) {
        long pause = slot.idle ? slot.rate.ran(now) : 0;
        slot.idle = true;
        if (pause > 0) {
            pause(slot, now + pause);
        }
    }

    /// Ends the thread, after the run in progress. Closing twice is allowed.
    ///
    /// @throws IllegalStateException if the run does not end
    @Override
    public void close() {
        Running active;
        synchronized (this) {
            ended = true;
            active = running;
            running = null;
        }
        if (active == null) {
            return;
        }
        active.end().signal();
        Uninterruptibles.joinUninterruptibly(
                active.thread(), END_LIMIT_MILLIS, TimeUnit.MILLISECONDS);
        if (active.thread().isAlive()) {
            throw new IllegalStateException(this + " does not end");
        }
        active.epoll().close();
        active.end().close();
    }

    @Override
    public String toString() {
        return "engine " + id();
    }
}
