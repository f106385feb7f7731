package io.xenemu.core.backend.net;

import io.xenemu.kvm.net.TapOffload;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.Consumer;

/// The host's end of one device, from when the device is attached until it is gone: a tap ([HostTap]), or a stream of
/// frames to another program ([StreamLink]).
sealed interface HostLink extends AutoCloseable permits HostTap, StreamLink {
    /// The most queues that a guest may have.
    int maxQueues();

    /// Whether a guest may leave segmentation to the host.
    boolean takesSegments();

    /// Brings the link to a number of queues, and chooses what the host leaves to the guest. No thread uses a queue.
    ///
    /// @throws io.xenemu.kvm.abi.KvmException if the host has no more
    void connect(int count, Set<TapOffload> offloads);

    /// The descriptor of a queue: it becomes readable when the host has a frame, or takes frames again.
    int fd(int queue);

    /// The host's end of a queue.
    FramePort port(int queue);

    /// Plugs the host's end of the cable in or pulls it, as the guest is there or not.
    void carrier(boolean on);

    /// Nodes of the back end's directory that tell a connected guest of the host's end.
    Map<String, String> properties();

    /// Tells changes of [#properties] from now until [#disconnect], on a thread of the link.
    void follow(Consumer<SequencedMap<String, String>> changed);

    /// Pulls the cable, and leaves one queue. No thread uses a queue.
    void disconnect();

    /// Gives the host's end back. No thread uses a queue. Calling it twice is allowed.
    @Override
    void close();
}
