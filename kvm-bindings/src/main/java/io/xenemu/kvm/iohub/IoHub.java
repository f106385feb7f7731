package io.xenemu.kvm.iohub;

import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.thread.Epoll;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The interrupt lines of a process of remote devices. Any number of its devices may hold a line: it is up until the
/// last one lets go. When the guest has ended the interrupt of a line that is held, the line is raised again.
///
/// Any thread may raise and lower lines. One thread calls [#await].
public final class IoHub implements AutoCloseable {
    /// The descriptors of a line.
    ///
    /// @param irqfd raises it
    /// @param resamplefd tells the ends of its interrupts
    public record Pair(EventFd irqfd, EventFd resamplefd) {
        void close() {
            irqfd.close();
            resamplefd.close();
        }
    }

    /// What has happened at a line since it got its present descriptors.
    ///
    /// @param raises how often it was let go, and was raised
    /// @param reraises how often it was held at the end of an interrupt, and was raised again
    /// @param ends how often the guest has ended its interrupts
    public record Counts(long raises, long reraises, long ends) {}

    /// Its monitor guards it.
    private static final class Slot {
        @Nullable Pair pair;
        int holders;
        long raises;
        long reraises;
        long ends;
    }

    private final Slot[] slots =
            IntStream.range(0, IoHubMessage.PIRQS).mapToObj(_ -> new Slot()).toArray(Slot[]::new);

    private final Epoll epoll = new Epoll(IoHubMessage.PIRQS);

    /// A hub whose lines have no descriptors yet.
    public IoHub() {}

    private Slot slot(int pirq) {
        if (pirq < 0 || pirq >= slots.length) {
            throw new IllegalArgumentException("there is no line " + pirq);
        }
        return slots[pirq];
    }

    /// Gives a line its descriptors, in place of those that it has, which are closed. A line that is held is raised.
    ///
    /// @param pair closed by the hub
    public void set(int pirq, Pair pair) {
        Slot slot = slot(pirq);
        synchronized (slot) {
            forget(slot);
            epoll.follow(pair.resamplefd.fd(), pirq, true, false);
            slot.pair = pair;
            if (slot.holders > 0) {
                slot.raises++;
                pair.irqfd.signal();
            }
        }
    }

    /// The caller has the monitor.
    private void forget(Slot slot) {
        Pair old = slot.pair;
        slot.pair = null;
        slot.raises = 0;
        slot.reraises = 0;
        slot.ends = 0;
        if (old != null) {
            epoll.remove(old.resamplefd.fd());
            old.close();
        }
    }

    /// Closes the descriptors of a line, and forgets who holds it.
    public void remove(int pirq) {
        Slot slot = slot(pirq);
        synchronized (slot) {
            forget(slot);
            slot.holders = 0;
        }
    }

    /// One more device holds the line.
    public void raise(int pirq) {
        Slot slot = slot(pirq);
        synchronized (slot) {
            Pair pair = slot.pair;
            if (slot.holders++ == 0 && pair != null) {
                slot.raises++;
                pair.irqfd.signal();
            }
        }
    }

    /// A device lets the line go. One that nobody holds stays so.
    public void lower(int pirq) {
        Slot slot = slot(pirq);
        synchronized (slot) {
            slot.holders = Math.max(0, slot.holders - 1);
        }
    }

    /// How many devices hold the line.
    public int holders(int pirq) {
        Slot slot = slot(pirq);
        synchronized (slot) {
            return slot.holders;
        }
    }

    /// What has happened at the line.
    public Counts counts(int pirq) {
        Slot slot = slot(pirq);
        synchronized (slot) {
            return new Counts(slot.raises, slot.reraises, slot.ends);
        }
    }

    /// Waits for ends of interrupts, and raises the lines again that are held.
    ///
    /// @param millis the longest wait; 0 only looks
    /// @return how many lines were looked at
    public int await(int millis) {
        int told = epoll.await(millis);
        for (int i = 0; i < told; i++) {
            ended(slot(Math.toIntExact(epoll.key(i))));
        }
        return told;
    }

    private static void ended(Slot slot) {
        synchronized (slot) {
            Pair pair = slot.pair;
            long ends = pair == null ? 0 : pair.resamplefd.drain();
            slot.ends += ends;
            if (pair != null && ends > 0 && slot.holders > 0) {
                slot.reraises++;
                pair.irqfd.signal();
            }
        }
    }

    /// Closes the descriptors of all lines. No thread waits any more.
    @Override
    public void close() {
        for (int i = 0; i < slots.length; i++) {
            remove(i);
        }
        epoll.close();
    }
}
