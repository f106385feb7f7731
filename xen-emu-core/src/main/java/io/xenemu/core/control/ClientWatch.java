package io.xenemu.core.control;

import com.google.common.util.concurrent.Uninterruptibles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Watches a client whose request waits for a guest. When the client goes, the thread that carries out the request is
/// interrupted. Otherwise the client would keep its connection for as long as the guest lives. A client that only stops
/// sending counts as gone, because the service cannot tell the difference.
public final class ClientWatch implements AutoCloseable {
    /// Milliseconds between two looks at the client.
    private static final long LOOK_MILLIS = 500;

    private final SocketChannel client;
    private final ByteBuffer ahead;
    private final Thread waiting;
    private final CountDownLatch answered = new CountDownLatch(1);
    private final Thread watch;

    private ClientWatch(SocketChannel client, ByteBuffer ahead) {
        this.client = client;
        this.ahead = ahead;
        this.waiting = Thread.currentThread();
        this.watch = Thread.ofVirtual().name("client-watch").unstarted(this::run);
    }

    /// Watches a client on behalf of the calling thread, which leaves the client alone until [#close].
    ///
    /// @param ahead takes the bytes that the client sends meanwhile; while it is full, the client counts as there
    static ClientWatch start(SocketChannel client, ByteBuffer ahead) {
        ClientWatch started = new ClientWatch(client, ahead);
        started.watch.start();
        return started;
    }

    private void run() {
        try {
            while (!answered.await(LOOK_MILLIS, TimeUnit.MILLISECONDS)) {
                if (hasGone()) {
                    waiting.interrupt();
                    return;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private boolean hasGone() {
        if (!ahead.hasRemaining()) {
            return false;
        }
        try {
            client.configureBlocking(false);
            try {
                return client.read(ahead) < 0;
            } finally {
                client.configureBlocking(true);
            }
        } catch (IOException e) {
            return true;
        }
    }

    /// Stops watching, because the request has been carried out, and leaves the client to the caller.
    @Override
    public void close() {
        answered.countDown();
        Uninterruptibles.joinUninterruptibly(watch);
    }
}
