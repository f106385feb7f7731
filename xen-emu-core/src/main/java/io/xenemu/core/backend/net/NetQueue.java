package io.xenemu.core.backend.net;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.core.backend.ring.RingState;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/// Both directions of one queue, as its thread's work. It runs when the guest sends an event, when the host has a
/// frame, and when a time is over for which it waits. Its monitor is held during a run, so that whoever has stopped it
/// knows that nothing touches the guest's memory any more (XSA-374).
final class NetQueue implements QueueWork {
    /// What a run has found.
    enum Outcome {
        /// There was nothing to do.
        NOTHING,
        /// All is done that there was to do.
        DONE,
        /// There is more to do at once.
        MORE
    }

    /// The queue's ways to others. None of them waits.
    ///
    /// @param txEvent signals the guest that answers to its frames are there
    /// @param rxEvent signals the guest that frames are there; the same for both if it has one event channel
    /// @param stalled told when the guest begins or ends to leave its frames alone for a minute
    /// @param broken told once for each ring that the guest has broken, with the ring's name
    /// @param again makes it run once more at once, after others
    /// @param later makes it run after nanoseconds
    record Effects(
            Runnable txEvent,
            Runnable rxEvent,
            Stalls stalled,
            Broken broken,
            Runnable again,
            LongConsumer later) {
        /// Whether the guest has one event channel for both directions.
        boolean hasOneEvent() {
            return txEvent.equals(rxEvent);
        }
    }

    @FunctionalInterface
    interface Stalls {
        void changed(boolean isStalled);
    }

    @FunctionalInterface
    interface Broken {
        void ring(String name);
    }

    /// Slots of a run: a ring full.
    private static final int TX_BUDGET = 256;

    /// Frames of a run.
    private static final int RX_BUDGET = 64;

    /// How often the ring is looked at if the guest does not tell of new pages (Linux: 30 ms).
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(30);

    /// How often a guest that has left its frames alone is looked at.
    private static final long STALLED_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final TxQueue tx;
    private final RxQueue rx;
    private final boolean rxNotifies;
    private final Effects effects;

    @GuardedBy("this")
    private boolean stopped;

    /// Whether the last run had no more than one frame for the guest.
    private boolean oneAtATime;

    private boolean txReported;
    private boolean rxReported;
    private boolean stalled;
    private RxQueue.State rxState = RxQueue.State.IDLE;

    /// What a restored guest's first queue has left to tell the network, or null.
    private @Nullable Announcement announcement;

    private long untilAnnounced;

    /// @param rxNotifies whether the guest sends an event for new pages
    NetQueue(TxQueue tx, RxQueue rx, boolean rxNotifies, Effects effects) {
        this.tx = tx;
        this.rx = rx;
        this.rxNotifies = rxNotifies;
        this.effects = effects;
    }

    /// Announces the guest to the network with its next runs. No run is in progress.
    synchronized void announce(Announcement what) {
        announcement = what;
    }

    /// The state of the ring for frames from the guest. It is stopped.
    synchronized RingState tx() {
        return tx.save();
    }

    /// The state of the ring for frames to the guest; as [#tx].
    synchronized RingState rx() {
        return rx.save();
    }

    /// What the guest takes of frames.
    RxFeatures features() {
        return rx.features();
    }

    @Override
    public boolean run() {
        Outcome outcome = run(System.nanoTime());
        if (outcome == Outcome.MORE) {
            effects.again.run();
            return true;
        }
        long wait = patience(System.nanoTime());
        if (wait > 0) {
            effects.later.accept(wait);
        }
        return outcome == Outcome.DONE;
    }

    /// Moves what can be moved, up to a limit.
    ///
    /// @param now in nanoseconds
    /// @throws io.xenemu.kvm.abi.KvmException if the host's interface is gone
    synchronized Outcome run(long now) {
        if (stopped) {
            return Outcome.NOTHING;
        }
        announce(now);
        boolean more = tx.work(TX_BUDGET, now);
        boolean moved = receive(now);
        stalls(now);
        report();
        if (more || rxState == RxQueue.State.BUSY || tx.arm(now)) {
            return Outcome.MORE;
        }
        return moved ? Outcome.DONE : Outcome.NOTHING;
    }

    private void announce(long now) {
        Announcement current = announcement;
        if (current != null) {
            untilAnnounced = current.work(now);
            announcement = untilAnnounced > 0 ? current : null;
        }
    }

    /// Gives the guest frames. While they come one at a time, it hears of one before the host is asked for the next:
    /// that call would find none, and the guest would wait for it. Of many it hears at the end.
    ///
    /// @return whether anything has moved in either direction
    private boolean receive(long now) {
        rxState = rx.work(oneAtATime ? 1 : RX_BUDGET, now);
        int frames = rx.frames();
        boolean moved = publish();
        if (oneAtATime && rxState == RxQueue.State.BUSY) {
            rxState = rx.work(RX_BUDGET - 1, now);
            frames += rx.frames();
            moved |= publish();
        }
        oneAtATime = frames <= 1;
        return moved;
    }

    /// @return whether there was anything new
    private boolean publish() {
        boolean moved = tx.hasAnswers() || tx.hasFlushed() || rx.hasAnswers();
        boolean forTx = tx.publish();
        boolean forRx = rx.publish();
        // Together: then they are mostly one upcall, which sees all. A process may wait for a
        // frame; for the answers to the guest's own frames mostly nobody does.
        if (forRx) {
            effects.rxEvent.run();
        }
        if (forTx && !(forRx && effects.hasOneEvent())) {
            effects.txEvent.run();
        }
        return moved;
    }

    private void stalls(long now) {
        if (!stalled && rx.isStalled(now)) {
            stalled = true;
            effects.stalled.changed(true);
        } else if (stalled && rx.recover()) {
            stalled = false;
            effects.stalled.changed(false);
        }
    }

    private void report() {
        if (tx.isBroken() && !txReported) {
            txReported = true;
            effects.broken.ring("tx");
        }
        if (rx.isBroken() && !rxReported) {
            rxReported = true;
            effects.broken.ring("rx");
        }
    }

    /// The time after which it has to run without an event, in nanoseconds; 0 if events are enough.
    long patience(long now) {
        long wait = tx.delay(now);
        if (untilAnnounced > 0) {
            wait = sooner(wait, untilAnnounced);
        }
        if (rxState == RxQueue.State.STARVED) {
            wait = sooner(wait, rxNotifies ? rx.untilTooOld(now) : POLL_NANOS);
        }
        return rx.isDropping() ? sooner(wait, STALLED_NANOS) : wait;
    }

    private static long sooner(long a, long b) {
        return a == 0 ? b : Math.min(a, b);
    }

    /// Keeps it from moving anything until [#resume], and waits for a run in progress. Then it has no page of the
    /// guest.
    synchronized void stop() {
        stopped = true;
        rx.release();
    }

    synchronized void resume() {
        stopped = false;
    }

    /// Leaves so many bytes free in the guest's pages from now on.
    void headroom(int bytes) {
        rx.headroom(bytes);
    }
}
