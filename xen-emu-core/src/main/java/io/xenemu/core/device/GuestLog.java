package io.xenemu.core.device;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/// A log that a guest writes byte by byte: text for an operator, a line at a time. Only printable ASCII and tabs are
/// taken, as by Xen's `hvm_print_line`. A guest that writes too many lines loses some.
///
/// Thread-safe. Lines are given out without locks held.
public final class GuestLog {
    /// The longest line; a longer one is broken. Xen's `DOMAIN_PBUF_SIZE` less its NUL.
    static final int MAX_LINE = 199;

    /// The lines at once that none is lost of: as many as a screen of a boot log.
    static final int BURST = 50;

    /// The time after which one more line may come.
    static final long INTERVAL_NANOS = 100_000_000;

    private static final int FIRST_PRINTABLE = 0x20;
    private static final int LAST_PRINTABLE = 0x7e;

    private final Consumer<String> output;
    private final LongSupplier nanoTime;
    private final LongAdder lost = new LongAdder();

    @GuardedBy("this")
    private final StringBuilder line = new StringBuilder();

    /// The time at which all lines so far would be paid for.
    @GuardedBy("this")
    private long paidUntil;

    /// The lines lost since the last one that was given out.
    @GuardedBy("this")
    private long lostInARow;

    /// @param output takes each line, without its end
    /// @param nanoTime `System::nanoTime`
    public GuestLog(Consumer<String> output, LongSupplier nanoTime) {
        this.output = output;
        this.nanoTime = nanoTime;
        paidUntil = nanoTime.getAsLong();
    }

    /// Takes a byte, 0 to 0xff.
    public void write(int value) {
        List<String> lines = List.of();
        synchronized (this) {
            if (value == '\n') {
                lines = end();
            } else if (value == '\t' || (value >= FIRST_PRINTABLE && value <= LAST_PRINTABLE)) {
                line.append((char) value);
                if (line.length() == MAX_LINE) {
                    lines = end();
                }
            }
        }
        lines.forEach(output);
    }

    /// Gives out a line that has begun.
    public void flush() {
        List<String> lines;
        synchronized (this) {
            lines = line.isEmpty() ? List.of() : end();
        }
        lines.forEach(output);
    }

    /// The lines that were lost.
    public LongAdder lost() {
        return lost;
    }

    /// Ends the line.
    ///
    /// @return the lines to give out
    @GuardedBy("this")
    private List<String> end() {
        String text = line.toString();
        line.setLength(0);
        long now = nanoTime.getAsLong();
        if (paidUntil - now < 0) {
            paidUntil = now;
        }
        if (paidUntil - now >= BURST * INTERVAL_NANOS) {
            lost.increment();
            lostInARow++;
            return List.of();
        }
        paidUntil += INTERVAL_NANOS;
        List<String> lines = new ArrayList<>();
        if (lostInARow != 0) {
            lines.add("(%d lines lost: too many in a short time)".formatted(lostInARow));
            lostInARow = 0;
        }
        lines.add(text);
        return lines;
    }
}
