package io.xenemu.core.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.AcpiTables;
import java.util.List;

/// The register behind the guest's Generic Event Device. It keeps what has happened until the guest reads it, and holds
/// the interrupt line up until then. So an event that comes before the guest's driver is not lost.
///
/// Thread-safe. The line changes under the lock, so that it always follows the register.
public final class AcpiEvents implements PortDevice {
    /// An event of the Generic Event Device.
    public enum Event {
        POWER_BUTTON(AcpiTables.EVENT_POWER_BUTTON),
        SLEEP_BUTTON(AcpiTables.EVENT_SLEEP_BUTTON),
        GENERATION_ID(AcpiTables.EVENT_GENERATION_ID);

        private final int bit;

        Event(int bit) {
            this.bit = bit;
        }
    }

    /// A level-triggered interrupt line.
    @FunctionalInterface
    public interface Line {
        /// Changes its level. Called with a lock held: it neither waits for a vCPU nor calls back.
        void level(boolean up);
    }

    /// All bits that have a meaning.
    private static final int MASK =
            AcpiTables.EVENT_POWER_BUTTON
                    | AcpiTables.EVENT_SLEEP_BUTTON
                    | AcpiTables.EVENT_GENERATION_ID;

    private final Line line;

    @GuardedBy("this")
    private int pending;

    /// @param line down at first
    public AcpiEvents(Line line) {
        this.line = line;
    }

    /// The ports of this device, for a [PortBus].
    public List<PortBus.Range> ranges() {
        return List.of(new PortBus.Range(AcpiTables.EVENT_PORT, AcpiTables.EVENT_PORT, this));
    }

    /// Tells the guest of an event. Several of one kind that it has not read are one. The line goes up again each time,
    /// since the guest may have lost it meanwhile by changing its route.
    public void raise(Event event) {
        add(event.bit);
    }

    private synchronized void add(int bits) {
        pending |= bits;
        if (pending != 0) {
            line.level(true);
        }
    }

    /// The events that the guest has not read.
    public synchronized int save() {
        return pending;
    }

    /// Tells a restored guest of its events.
    ///
    /// @param saved from [#save]; unknown bits are ignored
    public void restore(int saved) {
        add(saved & MASK);
    }

    @Override
    public synchronized int read(int port) {
        int events = pending;
        if (events != 0) {
            pending = 0;
            line.level(false);
        }
        return events;
    }

    @Override
    public void write(int port, int value) {}
}
