package io.xenemu.core.device;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;

/// Connects a guest's console or serial port with a pair of streams of the host, normally standard input and output, by
/// two threads.
public final class StdioConsole implements HostConsole, AutoCloseable {
    /// What the guest may print ahead of a slow reader, in bytes.
    static final int OUTPUT_BYTES = 64 << 10;

    /// What may be typed ahead of a slow guest, in bytes.
    static final int INPUT_BYTES = 4 << 10;

    /// How long [#close] waits for a reader to take the rest after [#hurry].
    private static final Duration HURRIED_FLUSH_TIME = Duration.ofSeconds(5);

    /// How soon a [#close] that waits notices [#hurry].
    private static final Duration POLL_TIME = Duration.ofMillis(100);

    private final BytePipe output = new BytePipe(OUTPUT_BYTES);
    private final BytePipe input = new BytePipe(INPUT_BYTES);
    private volatile boolean hurried;
    private final Thread writer;
    private final Thread reader;

    /// Starts both threads. Neither keeps the JVM alive; an end of `in` ends the typing, not the guest.
    ///
    /// @param name prefix of the threads' names, such as `dom1-console`
    /// @param in what is typed
    /// @param out what the guest prints; flushed after each piece, not closed
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

    /// Writes out what the guest has printed, however long its reader takes, as any program that writes into a pipe does, and
    /// stops; but see [#hurry].
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

    /// When the stream breaks, the guest goes on printing into nothing.
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
            // As if the typing had ended.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
