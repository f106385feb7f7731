package io.xenemu.core.control;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import org.jspecify.annotations.Nullable;

/// An operator's streams on a guest's console. When the service hands over to its next version, the session goes on
/// there: the old version gives all that was printed, and the new one what is printed from then on. Input that the old
/// version had not read is lost.
///
/// One thread reads and another one types. The monitor is a leaf.
final class ConsoleRelay implements ControlClient.Console {
    private static final int PIECE = 4096;

    private final Successor successor;

    @GuardedBy("this")
    private ControlConnection connection;

    /// Whether nothing is typed or printed any more.
    @GuardedBy("this")
    private boolean ended;

    /// Finds the session at the next version of the service.
    interface Successor {
        /// The session that follows another one.
        ///
        /// @param ended the connection that has ended
        /// @return null if there is none
        @Nullable ControlConnection of(ControlConnection ended);
    }

    /// @param connection whose answers are over
    ConsoleRelay(ControlConnection connection, Successor successor) {
        this.connection = connection;
        this.successor = successor;
    }

    @Override
    public void connect(InputStream typed, OutputStream printed) throws HostException {
        Thread typist =
                Thread.ofPlatform().name("console-in").daemon().unstarted(() -> type(typed));
        typist.start();
        try {
            ControlConnection current = current();
            while (current != null) {
                @Nullable IOException failure = read(current, printed);
                current = next(current, failure);
            }
        } finally {
            end();
        }
    }

    private synchronized @Nullable ControlConnection current() {
        return ended ? null : connection;
    }

    /// Reads to the end of a connection.
    ///
    /// @return its failure, null for none
    /// @throws HostException if the output cannot be written
    private static @Nullable IOException read(ControlConnection from, OutputStream printed)
            throws HostException {
        SocketChannel channel = from.channel();
        ByteBuffer bytes = ByteBuffer.allocate(PIECE);
        byte[] first = from.rest();
        write(printed, first, first.length);
        try (channel) {
            while (channel.read(bytes) >= 0) {
                write(printed, bytes.array(), bytes.position());
                bytes.clear();
            }
            return null;
        } catch (IOException e) {
            return e;
        }
    }

    private static void write(OutputStream printed, byte[] bytes, int count) throws HostException {
        try {
            printed.write(bytes, 0, count);
            printed.flush();
        } catch (IOException e) {
            throw new HostException("console: " + IoReason.of(e), e);
        }
    }

    /// Goes on after the end of a connection.
    ///
    /// @return null if the session is over
    private @Nullable ControlConnection next(ControlConnection last, @Nullable IOException failure)
            throws HostException {
        if (current() == null) {
            return null; // the operator has left
        }
        ControlConnection next = successor.of(last);
        synchronized (this) {
            if (next == null || ended) {
                ended = true;
                notifyAll();
            } else {
                connection = next;
                notifyAll();
                return next;
            }
        }
        if (next != null) {
            next.close();
        } else if (failure != null) {
            throw new HostException("console: " + IoReason.of(failure), failure);
        }
        return null;
    }

    private synchronized void end() {
        ended = true;
        notifyAll();
        connection.close();
    }

    private void type(InputStream typed) {
        byte[] bytes = new byte[PIECE];
        try {
            for (int count = typed.read(bytes); count >= 0; count = typed.read(bytes)) {
                send(ByteBuffer.wrap(bytes, 0, count));
            }
        } catch (IOException e) {
            // There is no input any more.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        end();
    }

    /// Sends input, to the next version of the service if this one takes it no more.
    private void send(ByteBuffer input) throws InterruptedException {
        ControlConnection to = current();
        while (to != null && input.hasRemaining()) {
            try {
                to.channel().write(input);
            } catch (IOException e) {
                to = after(to);
            }
        }
    }

    private synchronized @Nullable ControlConnection after(ControlConnection gone)
            throws InterruptedException {
        while (!ended && connection.equals(gone)) {
            wait();
        }
        return ended ? null : connection;
    }
}
