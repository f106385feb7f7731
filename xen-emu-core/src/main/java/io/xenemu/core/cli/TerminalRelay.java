package io.xenemu.core.cli;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.thread.Epoll;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/// Connects the operator's streams to the pseudo terminal of a guest's further console, as Xen's xenconsole does.
///
/// @param terminal its path, from the service
record TerminalRelay(Path terminal) implements ControlClient.Console {
    private static final int PIECE = 4096;
    private static final int EVENTS = 2;

    /// The pause before typed input is tried again that the guest does not take.
    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    @Override
    public void connect(InputStream typed, OutputStream printed) throws HostException {
        try (ByteStream stream = ByteStream.openTerminal(terminal);
                EventFd ended = EventFd.create();
                Epoll events = new Epoll(EVENTS);
                Arena arena = Arena.ofShared()) {
            events.add(stream.fd(), 0);
            events.add(ended.fd(), 1);
            Typist typist = new Typist(typed, stream, ended, arena.allocate(PIECE));
            Thread.ofPlatform().name("console-in").daemon().start(typist);
            try {
                print(stream, printed, events, arena.allocate(PIECE));
            } finally {
                typist.leave();
            }
        } catch (KvmException | IOException e) {
            throw new HostException("console: " + reason(e), e);
        }
    }

    private static String reason(Exception e) {
        return String.valueOf(e instanceof IOException io ? IoReason.of(io) : e.getMessage());
    }

    /// Until the guest's console ends, or the operator leaves it.
    private static void print(
            ByteStream stream, OutputStream printed, Epoll events, MemorySegment bytes)
            throws IOException {
        byte[] copy = new byte[PIECE];
        while (true) {
            int count = stream.read(bytes, PIECE);
            if (count > 0) {
                MemorySegment.copy(bytes, JAVA_BYTE, 0, copy, 0, count);
                printed.write(copy, 0, count);
                printed.flush();
            } else if (count != -Errno.EAGAIN || isLeft(events)) {
                return;
            }
        }
    }

    /// Waits for an event.
    private static boolean isLeft(Epoll events) {
        int count = events.await(-1);
        for (int i = 0; i < count; i++) {
            if (events.key(i) == 1) {
                return true;
            }
        }
        return false;
    }

    /// Gives typed input to the terminal.
    private static final class Typist implements Runnable {
        private final InputStream typed;
        private final ByteStream stream;
        private final EventFd ended;
        private final MemorySegment bytes;
        private boolean left;

        Typist(InputStream typed, ByteStream stream, EventFd ended, MemorySegment bytes) {
            this.typed = typed;
            this.stream = stream;
            this.ended = ended;
            this.bytes = bytes;
        }

        @Override
        public void run() {
            byte[] piece = new byte[PIECE];
            try {
                for (int count = typed.read(piece); count >= 0; count = typed.read(piece)) {
                    give(piece, count);
                }
            } catch (IOException e) {
                // The end of the input.
            }
            end();
        }

        private synchronized void end() {
            if (!left) {
                ended.signal();
            }
        }

        private void give(byte[] piece, int count) {
            int given = 0;
            while (given < count) {
                int taken = write(piece, given, count - given);
                if (taken < 0) {
                    return;
                }
                given += taken;
                if (taken == 0) {
                    LockSupport.parkNanos(RETRY_NANOS);
                }
            }
        }

        /// @return bytes taken; less than 0 after the end
        private synchronized int write(byte[] piece, int from, int count) {
            if (left) {
                return -1;
            }
            MemorySegment.copy(piece, from, bytes, JAVA_BYTE, 0, count);
            int taken = stream.write(bytes, count);
            return taken == -Errno.EAGAIN ? 0 : taken;
        }

        /// Touches the terminal no more.
        synchronized void leave() {
            left = true;
        }
    }
}
