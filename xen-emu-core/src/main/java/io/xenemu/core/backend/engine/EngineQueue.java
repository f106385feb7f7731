package io.xenemu.core.backend.engine;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.EventFd;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A queue of a device on an [Engine]. After a signal, by [#signal] or at [#eventFd], its work runs at least once;
/// several signals may lead to one run. Made by [DomainEngines].
///
/// While it is held, moved or closed, no run begins, and no signal is lost: it is signalled once more when it may run
/// again.
///
/// Any thread may use it. Signalling takes no lock that is held during a run, and allocates nothing.
///
/// Locks: [#change] is held while another thread waits for a run to end. Below it are the monitors of engines. The work
/// may signal and close its own queue, and do nothing else with it.
public final class EngineQueue implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(EngineQueue.class);

    /// After so long, an operator learns that something waits for a run.
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    /// The place of a queue among those of its guest.
    ///
    /// @param type of its device
    /// @param device its device, such as `vbd-51712`
    /// @param index its number in the device, from 0
    record Place(EngineClass type, String device, int index) {}

    /// The result of a run.
    enum Outcome {
        /// There was nothing to do. A guest that signals for nothing is slowed down.
        NOTHING,
        /// All that there was to do is done. The next signal starts the next run.
        DONE,
        /// There is more to do: the queue has another turn after the others.
        MORE
    }

    private final DomId guest;
    private final Place place;
    private final QueueWork work;
    private final Consumer<Throwable> failed;
    private final Consumer<EngineQueue> gone;
    private final EventFd eventFd = EventFd.create();

    private final RunState state = new RunState();

    /// Whether the eventfd has been signalled since the last run began.
    private final AtomicBoolean pending = new AtomicBoolean();

    private final Object descriptor = new Object();

    @GuardedBy("descriptor")
    private boolean descriptorClosed;

    private final ReentrantLock change = new ReentrantLock();

    /// Whether the run in progress has signalled its own queue. For the engine's thread alone.
    private boolean again;

    /// Whether [#close] has been called.
    private volatile boolean closing;

    private volatile Engine engine;

    @GuardedBy("change")
    private @Nullable EngineSlot slot;

    /// The engine that it moves to when the run in progress has ended, or null.
    @GuardedBy("change")
    private @Nullable Engine wanted;

    @GuardedBy("change")
    private boolean held;

    /// Descriptors beside the eventfd. Changed with `change` and the monitor of the engine held.
    private final List<Integer> watched = new ArrayList<>();

    /// A queue that is held: [#release] lets it begin.
    ///
    /// @param place of the queue
    /// @param failed receives an exception of the work, which then runs no more
    /// @param gone called once when the queue is closed
    /// @throws io.xenemu.kvm.abi.KvmException if the process has no descriptor left
    EngineQueue(
            DomId guest,
            Place place,
            QueueWork work,
            Consumer<Throwable> failed,
            Engine engine,
            Consumer<EngineQueue> gone) {
        this.guest = guest;
        this.place = place;
        this.work = work;
        this.failed = failed;
        this.engine = engine;
        this.gone = gone;
    }

    /// Puts the queue on its engine.
    ///
    /// @throws io.xenemu.kvm.abi.KvmException if the engine cannot have it; then it is closed
    void place() {
        boolean done = false;
        change.lock();
        try {
            held = true;
            state.stop();
            slot = engine.add(this, 0);
            done = true;
        } finally {
            change.unlock();
            if (!done) {
                eventFd.close();
            }
        }
    }

    /// Its place among the queues of its guest.
    Place at() {
        return place;
    }

    DomId guest() {
        return guest;
    }

    /// The engine that it is on.
    public Engine engine() {
        return engine;
    }

    /// Its eventfd, for a kernel that signals it. The eventfd is closed with the queue.
    public EventFd eventFd() {
        return eventFd;
    }

    /// The descriptors whose events are signals. With the monitor of the engine held.
    List<Integer> descriptors() {
        List<Integer> all = new ArrayList<>(watched);
        all.add(eventFd.fd());
        return all;
    }

    /// Makes the work run, if it does not run soon anyway. A run that signals its own queue has another turn
    /// after the others. Does nothing after [#close].
    public void signal() {
        if (state.isWithin()) {
            again = true;
        } else if (!pending.getAndSet(true)) {
            wake();
        }
    }

    private void wake() {
        pending.set(true);
        synchronized (descriptor) {
            if (!descriptorClosed) {
                eventFd.signal();
            }
        }
    }

    /// Makes each time that a further descriptor becomes readable a signal. The descriptor stays its owner's, who calls
    /// [#unwatch] before it is closed.
    ///
    /// @throws IllegalStateException after [#close]
    public void watch(int fd) {
        change.lock();
        try {
            if (slot == null) {
                throw new IllegalStateException(this + " is closed");
            }
            engine.watch(slot, fd);
            watched.add(fd);
        } finally {
            change.unlock();
        }
    }

    /// Ends [#watch]. After [#close] it does nothing.
    public void unwatch(int fd) {
        change.lock();
        try {
            if (watched.remove(Integer.valueOf(fd)) && slot != null) {
                engine.unwatch(fd);
            }
        } finally {
            change.unlock();
        }
    }

    /// Begins a run, for the engine's thread.
    ///
    /// @return false if the queue may not run now, or is not on this engine any more
    boolean enter(EngineSlot by) {
        if (!state.enter(by.epoch())) {
            return false;
        }
        pending.set(false);
        return true;
    }

    /// Whether no run may begin for now, or ever.
    boolean isStopped() {
        return state.isStopped();
    }

    /// Does the work, for the engine's thread.
    Outcome run() {
        again = false;
        try {
            boolean worked = work.run();
            if (again) {
                return Outcome.MORE;
            }
            return worked ? Outcome.DONE : Outcome.NOTHING;
        } catch (RuntimeException | Error e) {
            state.close();
            failed.accept(e);
            return Outcome.DONE;
        }
    }

    /// Ends a run, for the engine's thread.
    void leave() {
        if (state.leave()) {
            settle();
        }
    }

    /// Does what had to wait for the end of a run.
    private void settle() {
        change.lock();
        try {
            if (wanted != null && !state.isRunning()) {
                moveNow();
            }
            if (closing) {
                detach();
            }
        } finally {
            change.unlock();
        }
    }

    /// Lets runs begin, if nothing is against it.
    @GuardedBy("change")
    private void open() {
        if (!held && wanted == null) {
            state.open();
            wake();
            if (slot != null) {
                engine.listen(slot);
            }
        }
    }

    /// Keeps the work from running until [#release], and waits until it does not run.
    ///
    /// @return false if it still runs after `limit`; then it goes on
    public boolean hold(Duration limit) {
        change.lock();
        try {
            held = true;
            state.stop();
            if (state.awaitEnd(limit.toNanos())) {
                return true;
            }
            held = false;
            open();
            return false;
        } finally {
            change.unlock();
        }
    }

    /// Lets the work run, for the first time or again after [#hold]: once soon, and then after each signal.
    public void release() {
        change.lock();
        try {
            held = false;
            open();
        } finally {
            change.unlock();
        }
    }

    /// Moves the queue to another engine: at once, or after the run in progress. Does not wait for it. A queue that
    /// cannot move stays where it is and goes on; the log tells why.
    public void moveTo(Engine to) {
        change.lock();
        try {
            if (slot == null) {
                return;
            }
            wanted = to;
            state.stop();
            if (!state.isRunning()) {
                moveNow();
            }
        } finally {
            change.unlock();
        }
    }

    @GuardedBy("change")
    private void moveNow() {
        Engine to = wanted;
        EngineSlot from = slot;
        wanted = null;
        if (to == null || from == null) {
            return;
        }
        try {
            if (to != engine) {
                long epoch = from.epoch() + 1;
                EngineSlot next = to.add(this, epoch);
                engine.remove(from);
                slot = next;
                engine = to;
                state.move(epoch);
            }
        } catch (KvmException | IllegalStateException e) {
            log.warn("{} stays on {}, since {} cannot serve it", this, engine, to, e);
        } finally {
            open();
        }
    }

    /// Ends the queue: its work does not run any more, and a run in progress has ended. A run may close its own queue;
    /// then it is the last one. Closing twice is allowed.
    @Override
    public void close() {
        while (!close(PATIENCE)) {
            log.warn("{} waits for its last request", this);
        }
    }

    /// Ends the queue as [#close], within a time.
    ///
    /// @return false if a run is still in progress after `limit`. It is the last one; the caller closes again
    public boolean close(Duration limit) {
        state.close();
        closing = true;
        if (state.isWithin()) {
            return true;
        }
        change.lock();
        try {
            boolean ended = state.awaitEnd(limit.toNanos());
            if (ended) {
                detach();
            }
            return ended;
        } finally {
            change.unlock();
        }
    }

    @GuardedBy("change")
    private void detach() {
        EngineSlot last = slot;
        if (last == null) {
            return;
        }
        slot = null;
        engine.remove(last);
        synchronized (descriptor) {
            descriptorClosed = true;
            eventFd.close();
        }
        gone.accept(this);
    }

    @Override
    public String toString() {
        return "queue %d of %s of %s".formatted(place.index(), place.device(), guest);
    }
}
