package io.xenemu.core.service;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A socket at which other processes are served: VMMs that attach their machines, or processes of remote devices. Only
/// the service's own user may connect: a VMM gets memory of other guests when its guest maps their grants.
final class ProcessSocket implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ProcessSocket.class);

    /// The most processes at a time: each has a thread here, and that of a VMM a guest with more of them.
    private static final int MAX_PROCESSES = 256;

    /// How often the listening thread looks whether it is to end.
    private static final Duration LOOK_AGAIN = Duration.ofMillis(500);

    private final MessageSocket.Listener listener;
    private final String who;
    private final String threads;
    private final Consumer<MessageSocket> serve;
    private final Thread thread;
    private volatile boolean closed;

    @GuardedBy("this")
    private final Map<Thread, MessageSocket> served = new HashMap<>();

    private ProcessSocket(
            MessageSocket.Listener listener,
            String who,
            String threads,
            Consumer<MessageSocket> serve) {
        this.listener = listener;
        this.who = who;
        this.threads = threads;
        this.serve = serve;
        thread = Thread.ofPlatform().name(threads + "-socket").unstarted(this::listen);
    }

    /// Listens until [#close].
    ///
    /// @param who a process is, for an operator
    /// @param threads the name of the threads that serve one each
    /// @param serve serves a process until it has gone, and closes its socket
    /// @throws IOException if that is not possible; the message names the path
    static ProcessSocket open(Path path, String who, String threads, Consumer<MessageSocket> serve)
            throws IOException {
        ProcessSocket socket =
                new ProcessSocket(
                        MessageSocket.Listener.replace(path, LOOK_AGAIN), who, threads, serve);
        socket.thread.start();
        return socket;
    }

    private void listen() {
        while (!closed) {
            try {
                MessageSocket process = listener.accept();
                if (process != null) {
                    serve(process);
                }
            } catch (IOException e) {
                log.warn("{} cannot connect: {}", who, e.getMessage());
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

    private synchronized void serve(MessageSocket process) {
        if (served.size() == MAX_PROCESSES) {
            log.warn("{} cannot connect: there are {} already", who, MAX_PROCESSES);
            process.close();
            return;
        }
        Thread server = Thread.ofPlatform().name(threads).unstarted(() -> run(process));
        served.put(server, process);
        boolean started = false;
        try {
            server.start();
            started = true;
        } catch (OutOfMemoryError e) {
            log.warn("{} cannot connect: {}", who, e.getMessage());
        } finally {
            if (!started) {
                served.remove(server);
                process.close();
            }
        }
    }

    private void run(MessageSocket process) {
        try {
            serve.accept(process);
        } catch (RuntimeException | Error e) {
            log.error("{}: a connection failed: this is a bug", who, e);
        } finally {
            synchronized (this) {
                served.remove(Thread.currentThread());
            }
        }
    }

    /// Stops listening, and lets go of the processes; guests of VMMs have ended.
    @Override
    public void close() throws IOException {
        closed = true;
        listener.remove();
        try {
            // It lets nobody in any more then.
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
