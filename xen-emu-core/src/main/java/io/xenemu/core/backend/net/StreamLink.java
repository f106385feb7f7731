package io.xenemu.core.backend.net;

import com.google.common.primitives.ImmutableIntArray;
import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.net.TapOffload;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The host's end of a device that is a stream to another program, such as passt. When that program ends, the guest's
/// link is down (`carrier` of `io/netif.h`), and a thread of the link connects again, at first after a second and then
/// ever more rarely. The device lives.
final class StreamLink implements HostLink {
    private static final Logger log = LoggerFactory.getLogger(StreamLink.class);

    private static final String CARRIER = "carrier";

    /// The pause before the first new connection, which doubles with each one that does not last.
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);

    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);

    /// A connection that has lasted so long makes the next pause the first one again.
    private static final Duration LASTING = Duration.ofMinutes(1);

    private final StreamPeer peer;
    private final String name;
    private final FrameStream stream = new FrameStream();
    private final Thread thread;
    private final CountDownLatch closing = new CountDownLatch(1);
    private final AtomicLong reconnections = new AtomicLong();
    private volatile @Nullable Consumer<SequencedMap<String, String>> follower;

    private StreamLink(StreamPeer peer, String name) {
        this.peer = peer;
        this.name = name;
        thread = Thread.ofPlatform().name(name + "-stream").daemon().unstarted(this::supervise);
    }

    /// Connects to a program, which the link ends with itself.
    ///
    /// @param name for threads and the log: `dom3-vif-0`
    /// @throws Refused if it cannot be had; then the program is closed
    static StreamLink open(StreamPeer peer, String name) throws Refused {
        boolean opened = false;
        try {
            StreamSocket socket = peer.connect();
            StreamLink link;
            try {
                link = new StreamLink(peer, name);
            } catch (KvmException e) {
                socket.close();
                throw e;
            }
            link.attach(socket);
            link.thread.start();
            opened = true;
            return link;
        } catch (IOException | KvmException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        } finally {
            if (!opened) {
                peer.close();
            }
        }
    }

    /// Goes on with a connection of another process of this service.
    ///
    /// @param socket taken over, also if this fails
    /// @param buffered as [#buffered] gives it
    /// @throws Refused if it cannot be had; then the program is closed
    static StreamLink received(StreamPeer peer, String name, StreamSocket socket, byte[] buffered)
            throws Refused {
        boolean opened = false;
        try {
            StreamLink link = new StreamLink(peer, name);
            link.attach(socket);
            link.stream.restore(buffered);
            link.thread.start();
            opened = true;
            return link;
        } catch (KvmException | IllegalArgumentException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        } finally {
            if (!opened) {
                peer.close();
            }
        }
    }

    /// The descriptor of its connection, and those of the program. The device stands still.
    ///
    /// @throws Refused if it has lost its connection
    ImmutableIntArray descriptors() throws Refused {
        int socket = stream.socketFd();
        if (socket < 0) {
            throw new Refused("%s: %s is not connected now".formatted(name, peer));
        }
        return ImmutableIntArray.builder().add(socket).addAll(peer.descriptors()).build();
    }

    /// What is on its way in either direction. The device stands still.
    byte[] buffered() {
        return stream.buffered();
    }

    /// Another process has the program now.
    void handedOver() {
        peer.handedOver();
    }

    private void attach(StreamSocket socket) {
        stream.attach(socket);
        peer.atEnd(() -> stream.end(socket, "it has ended"));
    }

    private void supervise() {
        try {
            long since = System.nanoTime();
            Duration pause = FIRST_PAUSE;
            for (String why = stream.awaitEnd(); why != null; why = stream.awaitEnd()) {
                if (System.nanoTime() - since >= LASTING.toNanos()) {
                    pause = FIRST_PAUSE;
                }
                tell();
                log.warn("{}: {}: {}; next try in {} s", name, peer, why, pause.toSeconds());
                while (!closing.await(pause.toMillis(), TimeUnit.MILLISECONDS) && !reconnected()) {
                    pause = longer(pause);
                }
                pause = longer(pause);
                since = System.nanoTime();
                tell();
            }
        } catch (InterruptedException _) {
            // Only close ends this thread, and it does not interrupt.
        }
    }

    private static Duration longer(Duration pause) {
        Duration twice = pause.multipliedBy(2);
        return twice.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : twice;
    }

    private boolean reconnected() {
        try {
            attach(peer.connect());
            long _ = reconnections.incrementAndGet();
            log.info("{}: {}: connected again", name, peer);
            return true;
        } catch (IOException | KvmException e) {
            if (closing.getCount() > 0) {
                log.warn("{}: {}", name, e.getMessage());
            }
            return false;
        }
    }

    private void tell() {
        Consumer<SequencedMap<String, String>> told = follower;
        if (told != null) {
            told.accept(properties());
        }
    }

    /// How often it has connected again.
    long reconnections() {
        return reconnections.get();
    }

    /// One stream is one queue.
    @Override
    public int maxQueues() {
        return 1;
    }

    @Override
    public boolean takesSegments() {
        return peer.takesSegments();
    }

    /// The stream leaves nothing to the guest.
    @Override
    public void connect(int count, Set<TapOffload> offloads) {}

    @Override
    public int fd(int queue) {
        return stream.fd();
    }

    @Override
    public FramePort port(int queue) {
        return stream;
    }

    /// The other program is not told: its frames wait in the socket.
    @Override
    public void carrier(boolean on) {}

    @Override
    public SequencedMap<String, String> properties() {
        return new LinkedHashMap<>(Map.of(CARRIER, stream.isAttached() ? "1" : "0"));
    }

    @Override
    public void follow(Consumer<SequencedMap<String, String>> changed) {
        follower = changed;
    }

    @Override
    public void disconnect() {
        follower = null;
    }

    @Override
    public void close() {
        stream.close();
        closing.countDown();
        peer.close();
        Uninterruptibles.joinUninterruptibly(thread);
    }
}
