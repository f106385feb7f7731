package io.xenemu.core.device;

import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntSupplier;

/// What has happened at a domain's interrupt lines that processes of remote devices hold. KVM's interrupts are counted
/// by the processes alone, which tell of them.
///
/// Thread-safe.
public final class RemoteLineCounters {
    private final IntSupplier lines;
    private final LongAdder events = new LongAdder();
    private final LongAdder resamples = new LongAdder();
    private final LongAdder raises = new LongAdder();
    private final LongAdder reraises = new LongAdder();

    /// @param lines how many there are now
    public RemoteLineCounters(IntSupplier lines) {
        this.lines = lines;
    }

    int lines() {
        return lines.getAsInt();
    }

    /// A line was raised as an event.
    public void event() {
        events.increment();
    }

    /// A process was told that the guest has ended an interrupt that was an event.
    public void resampled() {
        resamples.increment();
    }

    /// A process tells how often it has raised a line, and raised it again at the end of an interrupt, since it last
    /// told.
    public void told(long raised, long reraised) {
        raises.add(raised);
        reraises.add(reraised);
    }

    long events() {
        return events.sum();
    }

    long resamples() {
        return resamples.sum();
    }

    long raises() {
        return raises.sum();
    }

    long reraises() {
        return reraises.sum();
    }
}
