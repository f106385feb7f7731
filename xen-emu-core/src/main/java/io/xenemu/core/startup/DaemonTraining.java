package io.xenemu.core.startup;

import io.xenemu.core.service.HostException;
import io.xenemu.core.service.StoreDaemon;
import io.xenemu.core.service.StoreDaemonRequest;
import io.xenemu.xenstore.Quotas;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import java.io.EOFException;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/// Has a XenStore daemon serve a socket, so that its classes are linked, and what its code does is known, at the next start.
final class DaemonTraining {
    /// Enough for the JVM to keep what it has learnt of the code (it does so of code that it has compiled).
    private static final int ROUNDS = 3000;

    private DaemonTraining() {}

    static void run() throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("xen-emu-");
        Path socket = folder.resolve("socket");
        StoreDaemon daemon =
                new StoreDaemon(
                        new StoreDaemonRequest(socket, null, Quotas.DEFAULT, null, null, null));
        Thread serving =
                Thread.ofPlatform()
                        .name("daemon")
                        .start(() -> {
                            try {
                                daemon.run();
                            } catch (HostException e) {
                                throw new IllegalStateException(e);
                            }
                        });
        try {
            while (serving.isAlive() && !Files.exists(socket)) {
                Thread.sleep(1);
            }
            talk(socket);
        } finally {
            daemon.stop();
            serving.join();
            Files.delete(folder);
        }
    }

    private static void talk(Path socket) throws IOException {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            ask(channel, MessageType.WATCH, 0, "/training\0token\0");
            for (int i = 0; i < ROUNDS; i++) {
                String path = "/training/" + i % 100 + "/" + i % 10;
                ask(channel, MessageType.WRITE, 0, path + "\0value");
                ask(channel, MessageType.READ, 0, path + "\0");
                ask(channel, MessageType.DIRECTORY, 0, "/training\0");
                String answer = ask(channel, MessageType.TRANSACTION_START, 0, "\0");
                int transaction = Integer.parseInt(answer.substring(0, answer.length() - 1));
                ask(channel, MessageType.READ, transaction, path + "\0");
                ask(channel, MessageType.WRITE, transaction, path + "\0other");
                ask(channel, MessageType.TRANSACTION_END, transaction, "T\0");
            }
            ask(channel, MessageType.RM, 0, "/training\0");
        }
    }

    /// The answer to a request; events before it are passed over.
    private static String ask(SocketChannel channel, MessageType type, int transaction, String text)
            throws IOException {
        byte[] payload = text.getBytes(StandardCharsets.ISO_8859_1);
        byte[] header = new byte[MessageHeader.SIZE];
        MessageHeader.put(header, 0, type, 1, transaction, payload.length);
        ByteBuffer message = ByteBuffer.allocate(header.length + payload.length);
        message.put(header).put(payload).flip();
        while (message.hasRemaining()) {
            channel.write(message);
        }
        while (true) {
            byte[] reply = exactly(channel, MessageHeader.SIZE);
            byte[] body = exactly(channel, MessageHeader.length(reply, 0));
            if (MessageType.of(MessageHeader.type(reply, 0)) != MessageType.WATCH_EVENT) {
                return new String(body, StandardCharsets.ISO_8859_1);
            }
        }
    }

    private static byte[] exactly(SocketChannel channel, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new EOFException("the daemon has closed the connection");
            }
        }
        return buffer.array();
    }
}
