package io.xenemu.core.lab;

import io.xenemu.kvm.socket.AcceptPause;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.concurrent.Semaphore;

/// Accepts connections and passes their bytes to and from connections made for them elsewhere. The end of either
/// direction is passed on by itself.
final class SocketRelay implements AutoCloseable {
    /// The most clients that wait to be accepted. The relay is for an operator's tools, not for load.
    private static final int MAX_CONNECTIONS = 256;

    private static final int BUFFER_BYTES = 16 * 1024;

    /// Makes the other end's connection.
    @FunctionalInterface
    interface Connector {
        SocketChannel connect() throws IOException;
    }

    private final ServerSocketChannel listener;
    private final Connector connector;
    private final Semaphore free = new Semaphore(MAX_CONNECTIONS);

    private SocketRelay(ServerSocketChannel listener, Connector connector) {
        this.listener = listener;
        this.connector = connector;
    }

    /// Serves a listener until closed.
    ///
    /// @param listener bound; closed together with the relay
    static SocketRelay start(String name, ServerSocketChannel listener, Connector connector) {
        SocketRelay relay = new SocketRelay(listener, connector);
        Thread.ofPlatform().name(name).daemon().start(relay::accept);
        return relay;
    }

    @Override
    public void close() throws IOException {
        listener.close();
    }

    private void accept() {
        AcceptPause pause = new AcceptPause();
        try {
            while (true) {
                Thread.sleep(pause.millisLeft());
                free.acquire();
                accept(pause);
            }
        } catch (ClosedChannelException e) {
            // The relay is closed.
            return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// One client, or none if the process is out of descriptors, which may pass.
    private void accept(AcceptPause pause) throws ClosedChannelException {
        boolean started = false;
        try {
            SocketChannel client = listener.accept();
            if (pause.worked()) {
                System.err.println("xen-emu: relay: accepts connections again");
            }
            Thread.ofVirtual().start(() -> serve(client));
            started = true;
        } catch (ClosedChannelException e) {
            throw e;
        } catch (IOException e) {
            if (pause.failed()) {
                System.err.println("xen-emu: relay: cannot accept connections: " + e.getMessage());
            }
        } finally {
            if (!started) {
                free.release();
            }
        }
    }

    private void serve(SocketChannel client) {
        try (client;
                SocketChannel server = connector.connect()) {
            Thread back = Thread.ofVirtual().start(() -> copy(server, client));
            copy(client, server);
            back.join();
        } catch (IOException e) {
            // Nothing is behind the connection: the client sees it end.
            return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            free.release();
        }
    }

    private static void copy(SocketChannel from, SocketChannel to) {
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        try {
            while (from.read(buffer) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    to.write(buffer);
                }
                buffer.clear();
            }
            to.shutdownOutput();
        } catch (IOException e) {
            closeBoth(from, to);
        }
    }

    /// After an error nothing can pass any more; the other direction has to notice.
    private static void closeBoth(SocketChannel one, SocketChannel other) {
        try (one;
                other) {
            return;
        } catch (IOException e) {
            return;
        }
    }
}
