package io.xenemu.core.paging;

import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// A process that shares a guest's memory, in Java: `src/test/c/page_client.c` tells what it does. Its threads wait for
/// pages in native code.
final class PageClient {
    private static final long PAGE = 4096;
    private static final int THREADS = 3;

    private final MemorySegment memory;
    private final long pages;
    private final UserFaultFd faults = UserFaultFd.open();
    private final MessageSocket connection;
    private final MessageSocket given;

    /// Open as long as this process lives.
    private final MessageSocket kept;

    private PageClient(Path socket, Path file, long pages) throws IOException {
        this.pages = pages;
        int descriptor = HostFile.open(file, Set.of(HostFile.Access.WRITE)).fd();
        memory = MemFd.received(descriptor, pages * PAGE).map(0, pages * PAGE);
        faults.register(memory);
        Path own = Files.createTempDirectory("page-client-").resolve("s");
        try (MessageSocket.Listener listener =
                MessageSocket.Listener.bind(own, Duration.ofSeconds(10))) {
            given = MessageSocket.connect(own);
            kept = Objects.requireNonNull(listener.accept());
        } finally {
            Files.deleteIfExists(own);
            Files.deleteIfExists(own.getParent());
        }
        connection = MessageSocket.connect(socket);
    }

    /// A hash of a page, to be added to those of the others.
    static long hash(MemorySegment memory, long page) {
        long sum = 0;
        for (long i = 0; i < PAGE / Long.BYTES; i++) {
            sum += memory.get(ValueLayout.JAVA_LONG, page * PAGE + i * Long.BYTES) * (2 * i + 1);
        }
        return sum * (2 * page + 1);
    }

    private void sendDescriptors() throws IOException {
        connection.send(bytes(memory.address()), faults.fd(), given.fd());
    }

    private static byte[] bytes(long value) {
        return ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
    }

    private void readAll() {
        AtomicLong hash = new AtomicLong();
        AtomicInteger running = new AtomicInteger(THREADS);
        for (int i = 0; i < THREADS; i++) {
            long first = i;
            Thread.ofPlatform()
                    .daemon()
                    .start(() -> {
                        hash.addAndGet(read(first));
                        if (running.decrementAndGet() == 0) {
                            sendHash(hash.get());
                        }
                    });
        }
    }

    private long read(long first) {
        long sum = 0;
        for (long i = first; i < pages; i += THREADS) {
            long page = (i * 7919 + ProcessHandle.current().pid()) % pages;
            UserFaultFd.populate(memory.address() + page * PAGE, PAGE);
            sum += hash(memory, page);
        }
        return sum;
    }

    private void sendHash(long hash) {
        try {
            connection.send(bytes(hash));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private void run() throws IOException {
        sendDescriptors();
        for (MessageSocket.Message order = connection.receive();
                order != null;
                order = connection.receive()) {
            if (order.bytes()[0] == 'h') {
                readAll();
            } else {
                sendDescriptors();
            }
        }
        kept.close();
    }

    /// Shares the memory until the test has gone.
    ///
    /// @param words the socket, the memory's file, the number of pages
    public static void main(String[] words) throws IOException {
        new PageClient(Path.of(words[0]), Path.of(words[1]), Long.parseLong(words[2])).run();
    }
}
