package io.xenemu.core.xenstore;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Stands between one client and a daemon, and lets a test do something before a request is passed on. One request at a
/// time, without watch events.
final class RequestRelay implements AutoCloseable {
    private final ServerSocketChannel listener;
    private final Path daemon;
    private final Before before;
    private final Thread thread;
    private volatile @Nullable Exception failure;

    /// An action before a request is passed on.
    interface Before {
        void request(@Nullable MessageType type) throws XenError;
    }

    private RequestRelay(ServerSocketChannel listener, Path daemon, Before before) {
        this.listener = listener;
        this.daemon = daemon;
        this.before = before;
        this.thread = Thread.ofPlatform().name("relay").daemon().unstarted(this::run);
    }

    static RequestRelay listen(Path path, Path daemon, Before before) throws IOException {
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(path));
        RequestRelay relay = new RequestRelay(listener, daemon, before);
        relay.thread.start();
        return relay;
    }

    boolean hasFailed() {
        return failure != null;
    }

    private void run() {
        try (SocketChannel client = listener.accept();
                SocketChannel server = SocketChannel.open(UnixDomainSocketAddress.of(daemon))) {
            while (true) {
                byte[] header = exactly(client, MessageHeader.SIZE);
                before.request(MessageType.of(MessageHeader.type(header, 0)));
                pass(client, server, header);
                pass(server, client, exactly(server, MessageHeader.SIZE));
            }
        } catch (EOFException e) {
            // The client is gone.
        } catch (IOException | XenError e) {
            failure = e;
        }
    }

    private static void pass(SocketChannel from, SocketChannel to, byte[] header)
            throws IOException {
        byte[] payload = exactly(from, MessageHeader.length(header, 0));
        to.write(new ByteBuffer[] {ByteBuffer.wrap(header), ByteBuffer.wrap(payload)});
    }

    private static byte[] exactly(SocketChannel channel, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new EOFException();
            }
        }
        return buffer.array();
    }

    @Override
    public void close() throws IOException {
        listener.close();
    }
}
