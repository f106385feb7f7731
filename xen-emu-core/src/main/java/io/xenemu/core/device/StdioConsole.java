package io.xenemu.core.device;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;

/// Connects a guest's console or serial port with a pair of the host's streams, normally standard input and output,
/// with two threads.
public final class StdioConsole implements HostConsole, AutoCloseable {
    /// The most bytes of output that the guest may print ahead of a slow reader.
    static final int OUTPUT_BYTES = 64 << 10;

    /// The most bytes of input that may be typed ahead of a slow guest.
    static final int INPUT_BYTES = 4 << 10;

    /// Time for which [#close] waits, after [#hurry], for a reader to take the rest.
    private static final Duration HURRIED_FLUSH_TIME = Duration.ofSeconds(5);

    /// Time within which a waiting [#close] notices [#hurry].
    private static final Duration POLL_TIME = Duration.ofMillis(100);

    private final BytePipe output = new BytePipe(OUTPUT_BYTES);
    private final BytePipe input = new BytePipe(INPUT_BYTES);
    private volatile boolean hurried;
    private final Thread writer;
    private final Thread reader;

    /// Starts both threads. Neither keeps the JVM alive; the end of `in` ends the input, not the guest.
    ///
    /// @param name prefix of the threads' names, such as `dom1-console`
    /// @param in the input for the guest
    /// @param out the guest's output; flushed after each piece, not closed
    public StdioConsole(String name, InputStream in, OutputStream out) {
        writer = Thread.ofPlatform().name(name + "-out").daemon().unstarted(() -> write(out));
        reader = Thread.ofPlatform().name(name + "-in").daemon().unstarted(() -> read(in));
        writer.start();
        reader.start();
    }

    @Override
    public ByteSink output() {
        return output;
    }

    @Override
    public ByteSource input() {
        return input;
    }

    @Override
    public byte[] typed() {
        return input.copy();
    }

    @Override
    public void attach(Runnable service) {
        output.onRoom(service);
        input.onData(service);
        service.run();
    }

    @Override
    public boolean awaitRoom() {
        try {
            return output.awaitRoom();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Override
    public void hurry() {
        hurried = true;
        output.hurry();
    }

    /// Writes all remaining output, and then stops. Waits for the reader without a limit, like any program that writes
    /// into a pipe, unless [#hurry] was called.
    @Override
    public void close() {
        output.close();
        input.close();
        try {
            while (!writer.join(POLL_TIME)) {
                if (hurried) {
                    writer.join(HURRIED_FLUSH_TIME);
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Writes output. If the stream breaks, the guest's further output is dropped.
    private void write(OutputStream out) {
        var bytes = new byte[OUTPUT_BYTES];
        boolean works = true;
        try {
            for (int count = output.take(bytes); count > 0; count = output.take(bytes)) {
                works = works && write(out, bytes, count);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static boolean write(OutputStream out, byte[] bytes, int count) {
        try {
            out.write(bytes, 0, count);
            out.flush();
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private void read(InputStream in) {
        var bytes = new byte[INPUT_BYTES];
        try {
            for (int count = in.read(bytes); count > 0; count = in.read(bytes)) {
                if (!input.put(bytes, 0, count)) {
                    return;
                }
            }
        } catch (IOException e) {
            // Treated as the end of input.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
