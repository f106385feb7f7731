package io.xenemu.core.backend.engine;

import com.google.common.util.concurrent.Uninterruptibles;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.delivery.EventRate;
import io.xenemu.core.host.Teardown;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.thread.CpuAffinity;
import io.xenemu.kvm.thread.Epoll;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A thread that does the work of many queues, of any guests. It sleeps until one of them is signalled, and runs those
/// that are, in turn ([Turns]). The thread begins with the first queue.
///
/// A queue that is signalled again and again for nothing is slowed down by [EventRate]. Its signals do not wake the
/// thread meanwhile, and neither do those of a queue that may not run. No signal is lost.
///
/// An engine of another kind, which hands requests to io_uring or to another process, would have the methods [#add] and
/// [#remove] of this one.
///
/// Locks: the monitor is a leaf. It guards the set of queues, and is not held during work.
public final class Engine implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Engine.class);

    /// The signalled queues that one call tells; the rest is told by the next one.
    private static final int EVENTS = 64;

    /// The key of the eventfd that ends the thread.
    private static final long END = -1;

    /// Queues for which there is room at first.
    private static final int SLOTS = 8;

    /// Time limit for the run in progress: as for other threads of the service.
    private static final long END_LIMIT_MILLIS = 10_000;

    /// A guest may cause a failure again and again: the log has one line of each engine in this time.
    private static final long TELL_NANOS = TimeUnit.MINUTES.toNanos(1);

    private final EngineSpec spec;
    private final Turns turns = new Turns();

    /// Queues whose last run has left more to do, for the thread alone.
    private final List<Slot> unfinished = new ArrayList<>();

    /// Queues that are slowed down, for the thread alone.
    private final List<Slot> paused = new ArrayList<>();

    @GuardedBy("this")
    private final Map<DomId, Guest> guests = new HashMap<>();

    @GuardedBy("this")
    private @Nullable Running running;

    @GuardedBy("this")
    private boolean ended;

    /// Written with the monitor held; the key of a queue's descriptors is its index.
    private volatile @Nullable Slot[] slots = new @Nullable Slot[SLOTS];

    /// Written by the thread alone.
    private final AtomicLong busyNanos = new AtomicLong();

    /// Failures beside work since the last one in the log, and the time of that one. For the thread alone.
    private int untold;

    private long toldAt = System.nanoTime() - TELL_NANOS;

    private final AtomicLong runs = new AtomicLong();

    private final AtomicLong wakeUps = new AtomicLong();

    /// When the run in progress has begun, in `System.nanoTime()`; 0 if there is none.
    private final AtomicLong begun = new AtomicLong();

    /// A guest's queues on this engine.
    private static final class Guest {
        private final Turns.Guest turns = new Turns.Guest();
        private int queues;
    }

    /// The thread and its descriptors.
    private record Running(Thread thread, Epoll epoll, EventFd end) {}

    /// The place of a queue on this engine.
    static final class Slot extends Turns.Turn {
        private final EngineQueue queue;

        /// As [EngineQueue#enter] has it.
        private final long epoch;

        private final int index;
        private final EventRate rate = new EventRate(System.nanoTime());
        private boolean idle;
        private long pausesUntil;

        /// Whether it is slowed down, and its descriptors muted. Written by the engine's thread with the monitor held.
        private boolean pauses;

        /// Whether it was not allowed to run when it was signalled, and its descriptors are muted. Guarded by the
        /// monitor.
        private boolean refused;

        private Slot(Turns.Guest guest, EngineQueue queue, long epoch, int index) {
            super(guest);
            this.queue = queue;
            this.epoch = epoch;
            this.index = index;
        }

        long epoch() {
            return epoch;
        }
    }

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
        long since = begun.get();
        long now = since == 0 ? 0 : Math.max(0, System.nanoTime() - since);
        return busyNanos.get() + now;
    }

    /// The number of runs that have ended.
    public long runs() {
        return runs.get();
    }

    /// How often the thread has been woken, or has looked for signals between runs.
    long wakeUps() {
        return wakeUps.get();
    }

    /// The number of queues that it serves.
    public synchronized int queues() {
        return guests.values().stream().mapToInt(guest -> guest.queues).sum();
    }

    /// Begins to serve a queue whose descriptors may have been signalled already.
    ///
    /// @param epoch of the queue
    /// @throws KvmException if the process has no descriptor left
    /// @throws IllegalStateException if the thread has ended
    synchronized Slot add(EngineQueue queue, long epoch) {
        if (ended) {
            throw new IllegalStateException(this + " has ended");
        }
        Running active = running();
        Guest guest = guests.computeIfAbsent(queue.guest(), _ -> new Guest());
        Slot slot = new Slot(guest.turns, queue, epoch, freeIndex());
        guest.queues++;
        put(slot.index, slot);
        Teardown undo = new Teardown();
        try {
            for (int descriptor : queue.descriptors()) {
                active.epoll().add(descriptor, slot.index);
                undo.add(() -> active.epoll().remove(descriptor));
            }
            return slot;
        } catch (RuntimeException | Error e) {
            undo.closeAfter(e);
            forget(slot);
            throw e;
        }
    }

    /// Ends to serve a queue. Its run may be in progress.
    synchronized void remove(Slot slot) {
        Running active = running;
        try {
            if (active != null) {
                slot.queue.descriptors().forEach(active.epoll()::remove);
            }
        } finally {
            forget(slot);
        }
    }

    /// Waits for one more descriptor of a queue that it serves.
    synchronized void watch(Slot slot, int descriptor) {
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
    synchronized void listen(Slot slot) {
        if (slot.refused) {
            slot.refused = false;
            unmute(slot);
        }
    }

    /// Mutes a queue that may not run. When it may again, it calls [#listen]: after this, or this sees that it may.
    private synchronized void refuse(Slot slot) {
        if (isServed(slot) && !slot.refused && slot.queue.isStopped()) {
            slot.refused = true;
            mute(slot);
        }
    }

    private synchronized void pause(Slot slot, long until) {
        if (isServed(slot)) {
            slot.pauses = true;
            slot.pausesUntil = until;
            paused.add(slot);
            mute(slot);
        }
    }

    private synchronized void resume(Slot slot) {
        slot.pauses = false;
        unmute(slot);
    }

    /// All of a queue's descriptors: frames that come for a queue that may not run are no reason to wake either.
    @GuardedBy("this")
    private void mute(Slot slot) {
        slot.queue.descriptors().forEach(running().epoll()::mute);
    }

    /// The eventfd is readable, since its counter is never taken: so the queue has a turn soon.
    @GuardedBy("this")
    private void unmute(Slot slot) {
        if (isServed(slot) && !slot.pauses && !slot.refused) {
            Epoll epoll = running().epoll();
            slot.queue.descriptors().forEach(descriptor -> epoll.unmute(descriptor, slot.index));
        }
    }

    /// A queue that has left may have closed its eventfd, and another one may have that number.
    @GuardedBy("this")
    private boolean isServed(Slot slot) {
        return running != null && slots[slot.index] == slot;
    }

    @GuardedBy("this")
    private void forget(Slot slot) {
        put(slot.index, null);
        Guest guest = guests.get(slot.queue.guest());
        if (guest != null && --guest.queues == 0) {
            guests.remove(slot.queue.guest());
        }
    }

    @GuardedBy("this")
    private int freeIndex() {
        @Nullable Slot[] all = slots;
        int index = 0;
        while (index < all.length && all[index] != null) {
            index++;
        }
        return index;
    }

    @GuardedBy("this")
    private void put(int index, @Nullable Slot slot) {
        @Nullable Slot[] all = slots;
        @Nullable Slot[] next =
                Arrays.copyOf(all, index < all.length ? all.length : 2 * all.length);
        next[index] = slot;
        slots = next;
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
                    serve((Slot) turns.next());
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
        wakeUps.setRelease(wakeUps.getPlain() + 1);
        for (int i = 0; i < count; i++) {
            long key = epoll.key(i);
            if (key == END) {
                return false;
            }
            @Nullable Slot[] all = slots;
            Slot slot = key < all.length ? all[(int) key] : null;
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
            Slot slot = paused.get(i);
            if (slot.pausesUntil - now <= 0) {
                paused.remove(i);
                resume(slot);
            }
        }
    }

    /// What fails for one queue, beside its work, harms no other guest's queue.
    private void serve(Slot slot) {
        try {
            // A queue that is held, moved or closed is signalled again when it may run.
            if (slot.queue.enter(slot)) {
                runEntered(slot);
            } else {
                refuse(slot);
            }
        } catch (RuntimeException | Error e) {
            begun.setRelease(0);
            tell(slot, e);
        }
    }

    private void tell(Slot slot, Throwable failure) {
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

    private void runEntered(Slot slot) {
        long start = System.nanoTime();
        begun.setRelease(start);
        EngineQueue.Outcome outcome;
        try {
            outcome = slot.queue.run();
        } finally {
            slot.queue.leave();
        }
        long end = System.nanoTime();
        begun.setRelease(0);
        busyNanos.setRelease(busyNanos.getPlain() + end - start);
        runs.setRelease(runs.getPlain() + 1);
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
    private void foundNothing(Slot slot, long now) {
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
