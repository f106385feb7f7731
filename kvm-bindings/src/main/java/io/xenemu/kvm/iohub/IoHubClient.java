package io.xenemu.kvm.iohub;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.IntFunction;

/// A process of remote devices: its connection to the service, and the lines that it has got.
///
/// One thread makes requests, and none meanwhile waits in [IoHub#await]. Any thread raises and lowers lines.
public final class IoHubClient implements AutoCloseable {
    private final MessageSocket socket;
    private final IoHub hub = new IoHub();
    private int lastTag;

    private IoHubClient(MessageSocket socket) {
        this.socket = socket;
    }

    /// Connects to a service's device socket.
    ///
    /// @param domid the guest
    /// @throws IOException if nobody listens there, or the service refuses
    public static IoHubClient connect(Path path, int domid) throws IOException {
        IoHubClient client = new IoHubClient(MessageSocket.connect(path));
        boolean done = false;
        try {
            client.ask(
                    "hello",
                    tag ->
                            new IoHubMessage.Hello(
                                    tag, IoHubLayouts.VERSION, IoHubLayouts.FEATURES, domid));
            done = true;
            return client;
        } finally {
            if (!done) {
                client.close();
            }
        }
    }

    /// The lines.
    public IoHub hub() {
        return hub;
    }

    /// Gets a line, or new descriptors of one.
    ///
    /// @throws IOException if the service refuses or has gone
    public void connect(int pirq) throws IOException {
        ask("line " + pirq, tag -> new IoHubMessage.Connect(tag, pirq));
    }

    /// Gives a line back.
    ///
    /// @throws IOException if the service refuses or has gone
    public void release(int pirq) throws IOException {
        hub.remove(pirq);
        ask("release of line " + pirq, tag -> new IoHubMessage.Release(tag, pirq));
    }

    /// Tells what the hub has counted of a line.
    ///
    /// @throws IOException if the service refuses or has gone
    public void tellCounts(int pirq) throws IOException {
        IoHub.Counts counts = hub.counts(pirq);
        ask(
                "counts of line " + pirq,
                tag -> new IoHubMessage.Counts(tag, pirq, counts.raises(), counts.reraises()));
    }

    private void ask(String what, IntFunction<IoHubMessage> request) throws IOException {
        int tag = ++lastTag;
        socket.send(request.apply(tag).encode());
        int result = answer(tag);
        if (result < 0) {
            throw new IOException(what + ": " + Errno.name(-result));
        }
    }

    /// Serves the service until it has answered.
    private int answer(int tag) throws IOException {
        while (true) {
            MessageSocket.Message message = socket.receive();
            if (message == null) {
                throw new IOException("the service has gone");
            }
            ImmutableIntArray descriptors = message.descriptors();
            boolean taken = false;
            try {
                IoHubMessage decoded = IoHubMessage.decode(message.bytes(), descriptors.length());
                if (decoded instanceof IoHubMessage.Result result && result.tag() == tag) {
                    return result.result();
                }
                if (!(decoded instanceof IoHubMessage.SetIrqfd given)) {
                    throw new IOException("the service has sent " + decoded);
                }
                taken = true;
                take(given, descriptors);
            } catch (WireException e) {
                throw new IOException(e.getMessage(), e);
            } finally {
                if (!taken) {
                    message.closeDescriptors();
                }
            }
        }
    }

    private void take(IoHubMessage.SetIrqfd given, ImmutableIntArray descriptors)
            throws IOException {
        hub.set(
                given.pirq(),
                new IoHub.Pair(
                        EventFd.received(descriptors.get(0)),
                        EventFd.received(descriptors.get(1))));
        socket.send(new IoHubMessage.Result(given.tag(), 0).encode());
    }

    /// Gives all lines back. No thread waits any more.
    @Override
    public void close() {
        socket.close();
        hub.close();
    }
}
