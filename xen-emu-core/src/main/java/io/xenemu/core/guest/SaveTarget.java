package io.xenemu.core.guest;

import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.kvm.file.NewFile;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;

/// The place that a guest is saved to, while it is written.
///
/// @param channel takes the bytes
/// @param last what has to succeed before the guest may be given up here
/// @param end closes it; what was not completed is gone
record SaveTarget(WritableByteChannel channel, Step last, Step end) implements AutoCloseable {
    /// A part of the work.
    @FunctionalInterface
    interface Step {
        void run() throws IOException;
    }

    /// Opens a place.
    ///
    /// @throws IOException if that is not possible
    static SaveTarget open(SavePlace place) throws IOException {
        return switch (place.kind()) {
            case FILE -> {
                NewFile file = new NewFile(place.path());
                yield new SaveTarget(paced(file), file::complete, file::close);
            }
            case SOCKET -> {
                SocketChannel client = connect(place);
                yield new SaveTarget(client, () -> awaitTaken(client), client::close);
            }
        };
    }

    private static WritableByteChannel paced(NewFile file) throws IOException {
        try {
            return file.paced();
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    /// Connects to a client.
    static SocketChannel connect(SavePlace place) throws IOException {
        SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            client.connect(UnixDomainSocketAddress.of(place.path()));
        } catch (IOException e) {
            client.close();
            throw e;
        }
        return client;
    }

    private static void awaitTaken(SocketChannel client) throws IOException {
        client.shutdownOutput();
        ByteBuffer answer = ByteBuffer.allocate(1);
        if (client.read(answer) != 1 || answer.get(0) != SavePlace.TAKEN) {
            throw new IOException("the reader has not taken all of it");
        }
    }

    /// Waits until what was written lasts.
    void complete() throws IOException {
        last.run();
    }

    /// Closes it: also from another thread, which ends the writer's wait.
    @Override
    public void close() throws IOException {
        end.run();
    }
}
