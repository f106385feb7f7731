package io.xenemu.core.startup;

import io.xenemu.core.service.HostException;
import io.xenemu.core.service.StoreDaemon;
import io.xenemu.core.service.StoreDaemonRequest;
import io.xenemu.core.xenstore.RequestFailed;
import io.xenemu.core.xenstore.StoreConnection;
import io.xenemu.xenstore.Quotas;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Has a XenStore daemon serve a socket, so that its classes are linked, and what its code does is known, at the next start.
final class DaemonTraining {
    /// Enough for the JVM to keep what it has learnt of the code (it does so of code that it has compiled).
    private static final int ROUNDS = 3000;

    private DaemonTraining() {}

    static void run() throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("xen-emu-");
        Path socket = folder.resolve("socket");
        StoreDaemon daemon =
                new StoreDaemon(
                        new StoreDaemonRequest(socket, null, Quotas.DEFAULT, null, null, null));
        Thread serving =
                Thread.ofPlatform()
                        .name("daemon")
                        .start(() -> {
                            try {
                                daemon.run();
                            } catch (HostException e) {
                                throw new IllegalStateException(e);
                            }
                        });
        try {
            while (serving.isAlive() && !Files.exists(socket)) {
                Thread.sleep(1);
            }
            talk(socket);
        } finally {
            daemon.stop();
            serving.join();
            Files.delete(folder);
        }
    }

    private static void talk(Path socket) throws IOException {
        byte[] value = "value".getBytes(StandardCharsets.US_ASCII);
        byte[] other = "other".getBytes(StandardCharsets.US_ASCII);
        try (StoreConnection store = StoreConnection.open(socket)) {
            store.watch("/training", "token");
            for (int i = 0; i < ROUNDS; i++) {
                String path = "/training/" + i % 100 + "/" + i % 10;
                store.write(path, value);
                byte[] _ = store.read(path);
                List<String> _ = store.list("/training");
                store.begin();
                byte[] _ = store.read(path);
                store.write(path, other);
                store.end(true);
            }
            store.remove("/training");
        } catch (RequestFailed e) {
            throw new IOException("the daemon refuses a request", e);
        }
    }
}
