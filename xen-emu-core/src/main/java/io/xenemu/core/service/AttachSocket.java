package io.xenemu.core.service;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.guest.AttachedGuests;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The socket at which VMMs attach their machines. Only the service's own user may connect: a VMM gets memory of other
/// guests when its guest maps their grants.
final class AttachSocket implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(AttachSocket.class);

    /// The most VMMs at a time: each has a thread here, and a guest with more of them.
    private static final int MAX_VMMS = 256;

    /// How often the listening thread looks whether it is to end.
    private static final Duration LOOK_AGAIN = Duration.ofMillis(500);

    private final MessageSocket.Listener listener;
    private final AttachedGuests guests;
    private final Thread thread;
    private volatile boolean closed;

    @GuardedBy("this")
    private final Map<Thread, MessageSocket> served = new HashMap<>();

    private AttachSocket(MessageSocket.Listener listener, AttachedGuests guests) {
        this.listener = listener;
        this.guests = guests;
        thread = Thread.ofPlatform().name("attach").unstarted(this::listen);
    }

    /// Listens until [#close].
    ///
    /// @throws IOException if that is not possible; the message names the path
    static AttachSocket open(Path path, AttachedGuests guests) throws IOException {
        AttachSocket socket =
                new AttachSocket(MessageSocket.Listener.replace(path, LOOK_AGAIN), guests);
        socket.thread.start();
        return socket;
    }

    private void listen() {
        while (!closed) {
            try {
                MessageSocket vmm = listener.accept();
                if (vmm != null) {
                    serve(vmm);
                }
            } catch (IOException e) {
                log.warn("a VMM cannot attach: {}", e.getMessage());
                pause();
            }
        }
    }

    private static void pause() {
        try {
            Thread.sleep(LOOK_AGAIN);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized void serve(MessageSocket vmm) {
        if (served.size() == MAX_VMMS) {
            log.warn("a VMM cannot attach: there are {} already", MAX_VMMS);
            vmm.close();
            return;
        }
        Thread server = Thread.ofPlatform().name("attached-vmm").unstarted(() -> run(vmm));
        served.put(server, vmm);
        server.start();
    }

    private void run(MessageSocket vmm) {
        try {
            guests.serve(vmm);
        } finally {
            synchronized (this) {
                served.remove(Thread.currentThread());
            }
        }
    }

    /// Stops listening, and lets go of the VMMs, whose guests have ended.
    @Override
    public void close() throws IOException {
        closed = true;
        listener.remove();
        try {
            // It lets no VMM in any more then.
            thread.join();
            List<Thread> ending;
            synchronized (this) {
                served.values().forEach(MessageSocket::shutdown);
                ending = List.copyOf(served.keySet());
            }
            for (Thread server : ending) {
                server.join();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        listener.close();
    }
}
