package io.xenemu.core.service;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.migration.UpdateMessage;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.socket.StreamListener;
import io.xenemu.kvm.socket.UnixListener;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The service of another process that this one takes over. All that may fail is done before that process has let its
/// guests go. After that they run, and what fails is told and left out.
final class TakenOver implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(TakenOver.class);

    /// The time for the old process to be gone, with what it has locked.
    private static final Duration END_LIMIT = Duration.ofSeconds(10);

    private static final long RETRY_MILLIS = 50;

    /// The exit code of a host that has failed.
    private static final int FAILED = 1;

    private final StreamListener.Prepared xenstore;
    private final UnixListener.Prepared control;
    private @Nullable UpdateLink link;

    private TakenOver(StreamListener.Prepared xenstore, UnixListener.Prepared control) {
        this.xenstore = xenstore;
        this.control = control;
    }

    /// Makes the sockets that take the places of those of the old process.
    static TakenOver prepare(DaemonRequest request) throws IOException {
        StreamListener.Prepared xenstore = StreamListener.prepare(request.xenstoreSocket());
        boolean done = false;
        try {
            String group = request.controlGroup();
            Path path = request.controlSocket();
            UnixListener.Prepared control =
                    group == null ? UnixListener.prepare(path) : UnixListener.prepare(path, group);
            done = true;
            return new TakenOver(xenstore, control);
        } finally {
            if (!done) {
                xenstore.close();
            }
        }
    }

    /// Takes the guests and the contents of XenStore over. When this returns, they run here.
    ///
    /// @throws HostException if the old process has them, with the reason
    void take(Path controlSocket, HostedGuests guests) throws HostException {
        List<String> reply = ControlClient.command(controlSocket, List.of("upgrade", "begin"));
        if (reply.size() != 1) {
            throw new HostException("the service does not say where it is taken over");
        }
        try {
            UpdateLink open = new UpdateLink(MessageSocket.connect(Path.of(reply.getFirst())));
            link = open;
            Duration downtime =
                    guests.takeOver(
                            open, "xen-emu " + ControlClient.PROGRAM_VERSION, this::abandon);
            log.info("upgraded: the guests stood still for {} ms", downtime.toMillis());
        } catch (IOException e) {
            throw new HostException(IoReason.of(e), e);
        } catch (Refused e) {
            throw new HostException("not upgraded, the old version goes on: " + e.reason());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new HostException("not upgraded: interrupted");
        }
    }

    /// Ends this process at once. It closes only its own sockets: the guests' devices are the old process's.
    private void abandon(String reason) {
        log.error("not upgraded, the old version goes on: {}", reason);
        close();
        Runtime.getRuntime().halt(FAILED);
    }

    /// Puts XenStore's socket in its place.
    StreamListener xenstore() throws IOException {
        return xenstore.publish();
    }

    /// Gives up the socket for XenStore: it has that of the old process.
    void hasXenStore() throws IOException {
        xenstore.close();
    }

    /// Puts the control socket in its place.
    UnixListener control() throws IOException {
        return control.publish();
    }

    /// Tells the old process that this one is found at the sockets.
    void tellServing() {
        UpdateLink open = link;
        if (open == null) {
            return;
        }
        try {
            open.send(new UpdateMessage.Serving());
        } catch (IOException e) {
            log.debug("the old version has gone already: {}", e.toString());
        }
    }

    /// Waits until the old process has gone.
    void awaitOldEnd() {
        UpdateLink open = link;
        if (open == null) {
            return;
        }
        Thread limit =
                Thread.ofVirtual()
                        .start(() -> {
                            try {
                                Thread.sleep(END_LIMIT);
                            } catch (InterruptedException e) {
                                return;
                            }
                            log.warn("the old version's process does not end");
                            open.shutdown();
                        });
        try {
            open.awaitEnd();
        } catch (IOException e) {
            log.warn("the old version: {}", e.toString());
        } finally {
            limit.interrupt();
        }
    }

    /// Something that the old process has had until it ended.
    interface Locked {
        void take() throws HostException;
    }

    /// Takes what the old process has locked until its end, or does without.
    static void take(Locked locked) {
        long begun = System.nanoTime();
        while (true) {
            try {
                locked.take();
                return;
            } catch (HostException e) {
                if (System.nanoTime() - begun > END_LIMIT.toNanos()) {
                    log.error("upgraded, but {}", e.getMessage());
                    return;
                }
            }
            try {
                Thread.sleep(RETRY_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    @Override
    public void close() {
        try {
            xenstore.close();
            control.close();
        } catch (IOException e) {
            log.debug("the sockets: {}", e.toString());
        }
        if (link != null) {
            link.close();
        }
    }
}
