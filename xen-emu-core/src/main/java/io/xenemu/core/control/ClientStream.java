package io.xenemu.core.control;

import com.google.common.util.concurrent.Uninterruptibles;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A Unix socket of a client to which a service connects once. The bytes go to or come from a stream of the client,
/// such as a pipe, on a thread of its own.
final class ClientStream implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ClientStream.class);

    /// Bytes that are passed on at a time, as many as a Unix socket holds.
    private static final int PIECE = 1 << 18;

    private final Path folder;
    private final ServerSocketChannel server;
    private final Work work;
    private final boolean isWaitedFor;
    private final Thread thread;
    private volatile @Nullable IOException failure;

    /// The work on the connection.
    private interface Work {
        void serve(SocketChannel service) throws IOException;
    }

    /// @param isWaitedFor whether [#close] waits for the end of the work
    private ClientStream(Work work, boolean isWaitedFor) throws HostException {
        this.work = work;
        this.isWaitedFor = isWaitedFor;
        try {
            // Only this user may look into it.
            folder = Files.createTempDirectory("xen-emu-");
            server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
            server.bind(UnixDomainSocketAddress.of(path()));
        } catch (IOException e) {
            throw new HostException("no socket for the service: " + IoReason.of(e), e);
        }
        thread = Thread.ofPlatform().daemon().name("stream").start(this::run);
    }

    /// Passes what a service writes to `out`.
    static ClientStream to(OutputStream out) throws HostException {
        return new ClientStream(
                service -> {
                    Channels.newInputStream(service).transferTo(out);
                    out.flush();
                    answer(service);
                },
                true);
    }

    /// Passes `in` to a service.
    static ClientStream from(InputStream in) throws HostException {
        return new ClientStream(
                service -> {
                    in.transferTo(Channels.newOutputStream(service));
                    service.shutdownOutput();
                },
                // It may wait for input that the service does not want any more.
                false);
    }

    /// Passes `in` to a service, and what it writes to `out`, until the service closes the connection.
    static ClientStream both(InputStream in, OutputStream out) throws HostException {
        return new ClientStream(
                service -> {
                    Thread _ =
                            Thread.ofPlatform()
                                    .daemon()
                                    .name("stream-in")
                                    .start(() -> passIn(in, service));
                    pass(Channels.newInputStream(service), out);
                },
                true);
    }

    /// Passes bytes on as they come, until there are no more.
    private static void pass(InputStream from, OutputStream to) throws IOException {
        byte[] bytes = new byte[PIECE];
        for (int count = from.read(bytes); count >= 0; count = from.read(bytes)) {
            to.write(bytes, 0, count);
            to.flush();
        }
    }

    private static void passIn(InputStream in, SocketChannel service) {
        try {
            pass(in, Channels.newOutputStream(service));
            service.shutdownOutput();
        } catch (IOException e) {
            // The service has its own words for that.
            log.debug("the connection has ended: {}", e.toString());
            close(service);
        }
    }

    private static void close(SocketChannel service) {
        try {
            service.close();
        } catch (IOException e) {
            log.debug("the service's connection: {}", e.toString());
        }
    }

    /// Says that all has been passed on. A service that has failed meanwhile has its own words for that.
    private static void answer(SocketChannel service) {
        try {
            service.write(ByteBuffer.wrap(new byte[] {SavePlace.TAKEN}));
        } catch (IOException e) {
            log.debug("the service does not listen any more: {}", e.toString());
        }
    }

    /// The socket's path.
    Path path() {
        return folder.resolve("stream");
    }

    private void run() {
        try (SocketChannel service = server.accept()) {
            work.serve(service);
        } catch (ClosedChannelException e) {
            if (server.isOpen()) {
                failure = e;
            }
            // Otherwise the service did not need it: the command was refused.
        } catch (IOException e) {
            failure = e;
        }
    }

    /// The failure of the client's stream; null if there was none. The service has noticed it as well.
    @Nullable IOException failure() {
        return failure;
    }

    /// Ends it, and waits until all bytes have been passed on that a service has sent.
    @Override
    public void close() {
        try {
            server.close();
            if (isWaitedFor) {
                Uninterruptibles.joinUninterruptibly(thread);
            }
            Files.deleteIfExists(path());
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            failure = e;
        }
    }
}
