package io.xenemu.core.guest;

import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.migration.MigrationLink;
import io.xenemu.core.migration.MigrationMessage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// A connection between two services that a test can cut and damage. Each service has a socket of its own.
final class TestCarrier implements AutoCloseable {
    /// A fault.
    ///
    /// @param toTarget whether it is in what the source sends
    /// @param at the number of the byte at which it happens
    /// @param isCut whether the connection is lost there; otherwise a bit is changed
    /// @param fromReady whether it counts from the word of the target that it is ready
    record Fault(boolean toTarget, long at, boolean isCut, boolean fromReady) {
        static final Fault NONE = new Fault(true, Long.MAX_VALUE, true);

        /// The word that the target is ready is lost, and all that follows.
        static final Fault READY_IS_LOST = new Fault(false, 0, true, true);

        /// All that the target sends after the word that it is ready is lost.
        static final Fault RUNNING_IS_LOST = afterReady(0);

        Fault(boolean toTarget, long at, boolean isCut) {
            this(toTarget, at, isCut, false);
        }

        /// The connection is lost after so many bytes that follow the word of the target that it is ready.
        static Fault afterReady(int bytes) {
            return new Fault(false, READY.length + bytes, true, true);
        }

        /// A random one.
        ///
        /// @param share one of so many is in what the target sends
        /// @param answered the bytes that the target sends
        /// @param sent those that the source sends
        /// @param nearEnd half of the faults in these are so near to their end, where the decisions are
        static Fault any(Random random, int share, int answered, long sent, int nearEnd) {
            boolean toTarget = random.nextInt(share) != 0;
            long at =
                    !toTarget
                            ? random.nextInt(answered)
                            : random.nextBoolean()
                                    ? random.nextLong(sent)
                                    : sent - random.nextLong(nearEnd);
            return new Fault(toTarget, at, random.nextBoolean());
        }
    }

    /// Something that happens once when so many bytes have passed.
    ///
    /// @param toTarget whether those count that the source sends
    private record Passing(boolean toTarget, long bytes, Runnable action) {}

    private static final byte[] READY = bytes(new MigrationMessage.Ready());

    /// From a damaged byte to the end of the connection.
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final ServerSocketChannel source;
    private final ServerSocketChannel target;
    private final Path folder;
    private final Fault fault;

    /// Nothing reaches the target after its word that it is ready.
    private volatile boolean cutsAfterReady;

    private volatile boolean cutsNext;

    /// What the target has sent until it is ready.
    private final ByteArrayOutputStream answers = new ByteArrayOutputStream();

    /// The number of the first byte of the word that it is ready.
    private long ready = Long.MAX_VALUE;

    private volatile @Nullable Passing passing;
    private final List<Thread> threads = new CopyOnWriteArrayList<>();
    private final List<SocketChannel> open = new ArrayList<>();
    final AtomicLong toTarget = new AtomicLong();
    final AtomicLong toSource = new AtomicLong();

    TestCarrier(Path folder, Fault fault) throws IOException {
        this.folder = folder;
        this.fault = fault;
        source = listen("source");
        target = listen("target");
        start(this::carry);
    }

    private static byte[] bytes(MigrationMessage message) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (MigrationLink link = new MigrationLink(new SentBytes(bytes))) {
            link.send(message);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        return bytes.toByteArray();
    }

    /// Loses the connection with the first byte that the source sends after the target's word that it is ready.
    void cutAfterReady() {
        cutsAfterReady = true;
    }

    /// Lets something happen once, when so many bytes have passed, and before the next one does.
    ///
    /// @param toTarget whether those count that the source sends
    void whenPassed(boolean toTarget, long bytes, Runnable action) {
        passing = new Passing(toTarget, bytes, action);
    }

    private ServerSocketChannel listen(String name) throws IOException {
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(folder.resolve(name)));
        return server;
    }

    private void start(Runnable work) {
        threads.add(Thread.ofPlatform().daemon().name("carrier").start(work));
    }

    /// The source's end.
    SavePlace source() {
        return new SavePlace(folder.resolve("source"), SavePlace.Kind.SOCKET);
    }

    /// The target's end.
    SavePlace target() {
        return new SavePlace(folder.resolve("target"), SavePlace.Kind.SOCKET);
    }

    private void carry() {
        try {
            SocketChannel from = source.accept();
            SocketChannel to = target.accept();
            synchronized (open) {
                open.add(from);
                open.add(to);
            }
            Thread back = Thread.ofPlatform().daemon().start(() -> pump(to, from, false));
            pump(from, to, true);
            back.join();
        } catch (IOException | InterruptedException e) {
            // The test has ended.
        }
    }

    private void pump(SocketChannel from, SocketChannel to, boolean isToTarget) {
        AtomicLong count = isToTarget ? toTarget : toSource;
        ByteBuffer bytes = ByteBuffer.allocate(1 << 14);
        try {
            while (from.read(bytes.clear()) >= 0) {
                bytes.flip();
                long at = count.get();
                if (isToTarget && cutsNext) {
                    cut();
                    return;
                }
                if (!isToTarget) {
                    lookForReady(bytes);
                    // Before the source can answer.
                    cutsNext |= cutsAfterReady && ready != Long.MAX_VALUE;
                }
                long faultAt = faultAt();
                if (isToTarget == fault.toTarget() && faultAt < at + bytes.remaining()) {
                    int index = (int) Math.max(0, faultAt - at);
                    if (fault.isCut()) {
                        bytes.limit(index);
                        write(bytes, to, isToTarget);
                        cut();
                        return;
                    }
                    if (faultAt >= at) {
                        bytes.put(index, (byte) (bytes.get(index) ^ 4));
                        start(this::cutLater);
                    }
                }
                write(bytes, to, isToTarget);
            }
            to.shutdownOutput();
        } catch (IOException e) {
            cut();
        }
    }

    private void lookForReady(ByteBuffer bytes) {
        if (ready == Long.MAX_VALUE) {
            bytes.mark();
            while (bytes.hasRemaining()) {
                answers.write(bytes.get());
            }
            bytes.reset();
            byte[] all = answers.toByteArray();
            for (int i = 0; i <= all.length - READY.length; i++) {
                if (Arrays.equals(all, i, i + READY.length, READY, 0, READY.length)) {
                    ready = i;
                    return;
                }
            }
        }
    }

    private long faultAt() {
        if (!fault.fromReady()) {
            return fault.at();
        }
        return ready == Long.MAX_VALUE ? ready : ready + fault.at();
    }

    /// A length that is damaged makes a side wait for more, for minutes.
    private void cutLater() {
        try {
            Thread.sleep(PATIENCE);
            cut();
        } catch (InterruptedException e) {
            // The test has ended.
        }
    }

    private void write(ByteBuffer bytes, SocketChannel to, boolean isToTarget) throws IOException {
        AtomicLong count = isToTarget ? toTarget : toSource;
        Passing event = passing;
        if (event != null && event.toTarget() == isToTarget) {
            long left = event.bytes() - count.get();
            if (left <= bytes.remaining()) {
                passing = null;
                int end = bytes.limit();
                bytes.limit(bytes.position() + (int) Math.max(0, left));
                writeAll(bytes, to, count);
                bytes.limit(end);
                event.action().run();
            }
        }
        writeAll(bytes, to, count);
    }

    private static void writeAll(ByteBuffer bytes, SocketChannel to, AtomicLong count)
            throws IOException {
        while (bytes.hasRemaining()) {
            count.addAndGet(to.write(bytes));
        }
    }

    /// Loses the connection.
    void cut() {
        synchronized (open) {
            for (SocketChannel channel : open) {
                try {
                    channel.close();
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            }
        }
    }

    @Override
    public void close() throws IOException {
        cut();
        source.close();
        target.close();
        threads.forEach(Thread::interrupt);
    }

    /// The end of a connection that only sends.
    private record SentBytes(ByteArrayOutputStream sent) implements ByteChannel {
        @Override
        public int read(ByteBuffer bytes) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int write(ByteBuffer bytes) {
            int count = bytes.remaining();
            while (bytes.hasRemaining()) {
                sent.write(bytes.get());
            }
            return count;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {
            // Nothing is open.
        }
    }
}
