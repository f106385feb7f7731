package io.xenemu.core.backend.console;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.google.common.primitives.Bytes;
import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.device.ByteSink;
import io.xenemu.core.device.ByteSource;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;

/// A console's end on the host with the output that it has not taken yet. It lasts while guests connect and leave.
///
/// When as much is kept as may be, a reader that takes bytes holds the guest back. Without a reader, or if it takes
/// nothing for [#PATIENCE], the oldest bytes are lost instead. A guest that is held back stands still: Linux writes to
/// its ring in a loop, with interrupts off.
///
/// For one thread at a time; the counters of [ConsoleBytes] are for any.
final class ConsoleHost implements AutoCloseable {
    /// Half of the time after which Linux reports a CPU that is stuck (`watchdog_thresh`).
    static final Duration PATIENCE = Duration.ofSeconds(10);

    /// The most output that a saved state has: as much as a console keeps by default.
    static final int SAVED_OUTPUT = 1 << 20;

    /// The most input that a saved state has: what a terminal or a socket holds, about.
    static final int SAVED_INPUT = 64 << 10;

    /// Bytes that one call moves: more than a ring.
    private static final int PIECE = 4096;

    private final HostEnd end;
    private final HostEvents events;
    private final ConsoleBytes counters;
    private final long patience;
    private final KeptBytes kept;

    /// Input that was taken from the host's end for a save.
    private final KeptBytes typed = new KeptBytes(SAVED_INPUT);

    private final Arena arena = Arena.ofShared();
    private final MemorySegment piece = arena.allocate(PIECE, Long.BYTES);

    /// The last time that the end took something, or had a new reader.
    private long lastTaken = System.nanoTime();

    /// Takes over what it needs.
    ///
    /// @param events those of `end`
    /// @param limit the most bytes to keep
    /// @param patience how long a reader that takes nothing holds the guest back
    ConsoleHost(
            HostEnd end, HostEvents events, ConsoleBytes counters, int limit, Duration patience) {
        this.end = end;
        this.events = events;
        this.counters = counters;
        this.patience = patience.toNanos();
        kept = new KeptBytes(limit);
    }

    /// Takes over what nobody had taken when the guest was saved.
    void restore(ConsoleDeviceState state) {
        byte[] output = Bytes.toArray(state.output());
        byte[] input = Bytes.toArray(state.input());
        kept.add(output, 0, output.length);
        typed.add(input, 0, input.length);
    }

    /// Takes input that the end has, so that a state has it.
    void gather() {
        for (int room = typed.room(); room > 0; room = typed.room()) {
            int given = end.read(piece, Math.min(room, PIECE));
            if (given == 0) {
                return;
            }
            typed.add(piece.asSlice(0, given).toArray(JAVA_BYTE), 0, given);
        }
    }

    /// The output that waits, the newest of it if it is much.
    byte[] savedOutput() {
        return kept.newest(SAVED_OUTPUT);
    }

    /// The input that waits, once it was gathered.
    byte[] savedInput() {
        return typed.newest(SAVED_INPUT);
    }

    /// The descriptors of its end, for another process.
    ImmutableIntArray descriptors() {
        return end.descriptors();
    }

    /// Another process has its end and what waited now.
    void handedOver() {
        kept.remove(kept.bytes());
        end.handedOver();
    }

    /// Whether the work may wait for the host's disk.
    boolean mayWait() {
        return end.mayWait();
    }

    /// Becomes readable when there is something to do on the host's side.
    int descriptor() {
        return events.descriptor();
    }

    /// Bytes that wait for a reader. Any thread.
    int keptBytes() {
        return kept.shown();
    }

    /// Takes notice of readers, and gives the end what was kept.
    ///
    /// @return whether anything has happened
    boolean look() {
        boolean hadEvent = events.take();
        if (end.look()) {
            lastTaken = System.nanoTime();
        }
        return flush() || hadEvent;
    }

    /// Gives the end as much as it takes.
    ///
    /// @return whether it took anything
    boolean flush() {
        boolean any = false;
        while (kept.bytes() > 0) {
            int count = Math.min(PIECE, kept.bytes());
            kept.copy(piece, count);
            int taken = end.write(piece, count);
            if (taken == 0) {
                return any;
            }
            kept.remove(taken);
            counters.output(taken);
            lastTaken = System.nanoTime();
            any = true;
        }
        return any;
    }

    /// Takes the guest's output. A ring's output is always less than the kept output may be.
    ByteSink output() {
        return (bytes, offset, length) -> {
            int taken = length <= kept.room() || makeRoom(length) ? length : kept.room();
            kept.add(bytes, offset, taken);
            boolean _ = flush();
            return taken;
        };
    }

    /// @return false if the guest is to wait with the rest
    private boolean makeRoom(int length) {
        boolean _ = flush();
        int lacking = length - kept.room();
        if (lacking <= 0) {
            return true;
        }
        long left = lastTaken + patience - System.nanoTime();
        if (end.hasReader() && left > 0) {
            events.wakeAfter(left);
            return false;
        }
        kept.remove(lacking);
        counters.lost(lacking);
        return true;
    }

    /// Gives input for the guest.
    ByteSource input() {
        return (bytes, offset, length) -> {
            int given = length == 0 ? 0 : read(Math.min(length, PIECE));
            MemorySegment.copy(piece, JAVA_BYTE, 0, bytes, offset, given);
            counters.input(given);
            return given;
        };
    }

    /// Reads into [#piece].
    private int read(int count) {
        if (typed.bytes() == 0) {
            return end.read(piece, count);
        }
        int given = Math.min(count, typed.bytes());
        typed.copy(piece, given);
        typed.remove(given);
        return given;
    }

    /// Gives the end what it still takes, and closes it. No thread uses it any more.
    @Override
    public void close() {
        boolean _ = flush();
        counters.lost(kept.bytes());
        end.close();
        events.close();
        kept.close();
        typed.close();
        arena.close();
    }
}
