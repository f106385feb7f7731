package io.xenemu.core.guest;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.migration.UpdateMessage;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.file.ByteStream;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.socket.StreamListener;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.SocketState;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// XenStore's socket on its way to the next version of a service, with the clients that are connected to it.
///
/// Not thread-safe.
final class UpdatedSocket implements AutoCloseable {
    /// The descriptors that have come, by their numbers in the old process.
    private final Map<Integer, Integer> received = new HashMap<>();

    private @Nullable Path path;

    /// Sends the descriptors that a state names. XenStore serves no client of the socket.
    ///
    /// @param path of the socket; null if there is none
    static void send(UpdateLink link, @Nullable Path path, XenStoreState state) throws IOException {
        if (path == null) {
            return;
        }
        List<Integer> numbers = new ArrayList<>(List.of(state.descriptors().listener()));
        state.sockets().forEach(client -> numbers.add(client.descriptor()));
        String name = path.toAbsolutePath().toString();
        for (int i = 0; i < numbers.size(); i += MessageSocket.MAX_DESCRIPTORS) {
            ImmutableIntArray some =
                    ImmutableIntArray.copyOf(
                            numbers.subList(
                                    i,
                                    Math.min(numbers.size(), i + MessageSocket.MAX_DESCRIPTORS)));
            link.send(new UpdateMessage.Socket(name, some), some);
        }
    }

    /// Takes the descriptors of a message.
    ///
    /// @param descriptors as many as it has numbers
    void receive(UpdateMessage.Socket message, ImmutableIntArray descriptors) throws IOException {
        path = Path.of(message.path());
        for (int i = 0; i < descriptors.length(); i++) {
            Integer before = received.put(message.numbers().get(i), descriptors.get(i));
            if (before != null) {
                ByteStream.received(before).close();
                throw new IOException("a descriptor that was sent twice");
            }
        }
    }

    /// Gives XenStore the socket, if it has come. The old process serves it until [XenStoreServer#proceed].
    ///
    /// @param state which names all descriptors
    /// @param xenstore with the nodes of the state, and of all guests
    void take(XenStoreState state, XenStoreServer xenstore) throws IOException, XenError {
        Path place = path;
        if (place == null) {
            return;
        }
        List<SocketState> clients = new ArrayList<>();
        for (SocketState client : state.sockets()) {
            clients.add(new SocketState(taken(client.descriptor()), client.connection()));
        }
        StreamListener listener =
                StreamListener.received(taken(state.descriptors().listener()), place);
        xenstore.takeOver(listener, clients);
    }

    private int taken(int number) throws IOException {
        Integer descriptor = received.remove(number);
        if (descriptor == null) {
            throw new IOException("a client of XenStore without its connection");
        }
        return descriptor;
    }

    /// Closes those that were not taken.
    @Override
    public void close() {
        received.values().forEach(descriptor -> ByteStream.received(descriptor).close());
        received.clear();
    }
}
