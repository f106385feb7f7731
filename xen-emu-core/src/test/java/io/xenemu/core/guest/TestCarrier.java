package io.xenemu.core.guest;

import io.xenemu.core.hypervisor.SavePlace;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
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
    record Fault(boolean toTarget, long at, boolean isCut) {
        static final Fault NONE = new Fault(true, Long.MAX_VALUE, true);

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

    /// From a damaged byte to the end of the connection.
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final ServerSocketChannel source;
    private final ServerSocketChannel target;
    private final Path folder;
    private final Fault fault;

    /// Bytes to the source after which nothing reaches the target any more.
    private volatile long cutsAfter = Long.MAX_VALUE;

    private volatile boolean cutsNext;
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

    /// Loses the connection with the first byte that the source sends after so many have come back to it.
    void cutAfter(long bytesToSource) {
        cutsAfter = bytesToSource;
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
                // Before the source can answer.
                cutsNext |= !isToTarget && at + bytes.remaining() >= cutsAfter;
                if (isToTarget == fault.toTarget() && fault.at() < at + bytes.remaining()) {
                    int index = (int) Math.max(0, fault.at() - at);
                    if (fault.isCut()) {
                        bytes.limit(index);
                        write(bytes, to, isToTarget);
                        cut();
                        return;
                    }
                    if (fault.at() >= at) {
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
}
