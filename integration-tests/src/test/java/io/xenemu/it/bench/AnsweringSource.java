package io.xenemu.it.bench;

import io.xenemu.core.migration.PageFrame;
import io.xenemu.core.migration.PageFrameReader;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CountDownLatch;

/// The source of a post-copy that sends only what it is asked for: one page of random bytes, the same for all.
final class AnsweringSource implements AutoCloseable {
    private static final int PAGE = 4096;
    private static final Duration LIMIT = Duration.ofSeconds(30);

    private final Duration delay;
    private final StreamSocket link;
    private final SocketChannel channel;
    private final byte[] content = new byte[PAGE];
    private final CountDownLatch synced = new CountDownLatch(1);

    /// @param delay before each answer
    AnsweringSource(Path folder, Duration delay) throws IOException {
        this.delay = delay;
        new Random(1).nextBytes(content);
        Path path = folder.resolve("source");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            link = StreamSocket.connect(path, LIMIT);
            channel = server.accept();
        } finally {
            Files.deleteIfExists(path);
        }
        Thread.ofPlatform().daemon().name("source").start(this::run);
    }

    /// The other end, for a page server.
    StreamSocket link() {
        return link;
    }

    /// Waits until a page server has begun.
    void awaitBegin() throws InterruptedException {
        synced.await();
    }

    private void run() {
        try (PageFrameReader frames = new PageFrameReader()) {
            long nonce = 0;
            while (true) {
                for (PageFrame frame = frames.next(); frame != null; frame = frames.next()) {
                    switch (frame) {
                        case PageFrame.Resync(long begun) -> nonce = begun;
                        case PageFrame.Missing(int _, boolean isLast, ByteBuffer _) when isLast -> {
                            write(new PageFrame.Synced(nonce));
                            synced.countDown();
                        }
                        case PageFrame.Need(int page) -> {
                            Thread.sleep(delay);
                            write(new PageFrame.Pages(page, 1, ByteBuffer.wrap(content)));
                        }
                        default -> {}
                    }
                }
                int count = channel.read(frames.room().asByteBuffer());
                if (count < 0) {
                    return;
                }
                frames.filled(count);
            }
        } catch (ClosedChannelException e) {
            // Closed here.
        } catch (IOException | InterruptedException e) {
            System.err.println("the source: " + e);
        }
    }

    private void write(PageFrame frame) throws IOException {
        ByteBuffer bytes = frame.encode();
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
