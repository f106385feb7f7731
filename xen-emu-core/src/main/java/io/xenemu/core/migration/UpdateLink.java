package io.xenemu.core.migration;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// The connection between the old and the new process of a service, on one host. A message that was sent is received,
/// unless the receiver ends: it reads those that were sent before it sees that the sender has gone.
public class UpdateLink implements AutoCloseable {
    private final MessageSocket socket;

    /// @param socket closed with this object
    public UpdateLink(MessageSocket socket) {
        this.socket = socket;
    }

    /// A message that was received.
    ///
    /// @param file the memory file that came with it, which its receiver closes; null for none
    /// @param descriptors other ones that came with it, which its receiver closes
    public record Received(
            UpdateMessage message, @Nullable MemFd file, ImmutableIntArray descriptors) {}

    /// Sends a message.
    ///
    /// @throws IOException if the peer has gone, and has not received it
    public void send(UpdateMessage message) throws IOException {
        socket.send(message.encode());
    }

    /// Sends a message with a file, of which the receiver gets a duplicate.
    ///
    /// @throws IOException if the peer has gone, and has not received it
    public void send(UpdateMessage message, MemFd file) throws IOException {
        socket.send(message.encode(), file.fd());
    }

    /// Sends a message with descriptors, of which the receiver gets duplicates.
    ///
    /// @throws IOException if the peer has gone, and has not received it
    public void send(UpdateMessage message, ImmutableIntArray descriptors) throws IOException {
        socket.send(message.encode(), descriptors.toArray());
    }

    /// Waits for the next message.
    ///
    /// @throws PeerGoneException if the peer has gone
    /// @throws IOException if it does not keep to the messages, or the host fails
    public Received receive() throws IOException {
        MessageSocket.Message received = socket.receive();
        if (received == null) {
            throw new PeerGoneException();
        }
        ImmutableIntArray descriptors = received.descriptors();
        UpdateMessage message = UpdateMessage.decode(received.bytes());
        long bytes =
                switch (message) {
                    case UpdateMessage.Ram ram -> ram.bytes();
                    case UpdateMessage.States states -> states.fileBytes();
                    default -> -1;
                };
        if (message instanceof UpdateMessage.Device) {
            return new Received(message, null, descriptors);
        }
        if (message instanceof UpdateMessage.Socket socket) {
            if (descriptors.length() != socket.numbers().length()) {
                throw new WireException(
                        "%d descriptors, and %d numbers"
                                .formatted(descriptors.length(), socket.numbers().length()));
            }
            return new Received(message, null, descriptors);
        }
        if (descriptors.length() != (bytes < 0 ? 0 : 1)) {
            throw new WireException("a message with %d files".formatted(descriptors.length()));
        }
        return new Received(
                message,
                bytes < 0 ? null : MemFd.receivedLarge("xen-ram", descriptors.get(0), bytes),
                ImmutableIntArray.of());
    }

    /// Waits until the peer has gone.
    ///
    /// @throws IOException if it sends something instead
    public void awaitEnd() throws IOException {
        MessageSocket.Message received = socket.receive();
        if (received != null) {
            throw new WireException("a message after the last one");
        }
    }

    /// Ends the connection, also a [#receive] in progress, on any thread.
    public void shutdown() {
        socket.shutdown();
    }

    @Override
    public void close() {
        socket.close();
    }

    /// The other process has ended.
    public static final class PeerGoneException extends IOException {
        private static final long serialVersionUID = 1L;

        public PeerGoneException() {
            super("the other process has ended");
        }
    }
}
