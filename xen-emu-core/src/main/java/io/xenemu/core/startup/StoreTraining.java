package io.xenemu.core.startup;

import io.xenemu.core.cli.XenEmu;
import io.xenemu.core.service.StoreSocketPath;
import io.xenemu.core.xenstore.RequestFailed;
import io.xenemu.core.xenstore.StoreConnection;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Runs a XenStore daemon. Its cache has no classes of guests, since the JVM takes in all of a cache at every start and
/// keeps it in memory.
final class StoreTraining {
    /// Rounds, enough for the JVM to compile the code, so that it keeps its profile.
    private static final int ROUNDS = 3000;

    private StoreTraining() {}

    /// From its start to its end.
    static void run() throws IOException, InterruptedException, ReflectiveOperationException {
        Path socket = StoreSocketPath.of(System.getenv());
        Thread serving =
                Thread.ofPlatform()
                        .name("xenstored")
                        .daemon()
                        .start(() -> XenEmu.execute("xenstored", "--socket", socket.toString()));
        while (serving.isAlive() && !Files.exists(socket)) {
            Thread.sleep(1);
        }
        ask(socket);
        terminate();
        serving.join();
    }

    /// Sends this process SIGTERM, which the daemon takes. By reflection, as javac warns of each use by name.
    private static void terminate() throws ReflectiveOperationException {
        Class<?> signal = Class.forName("sun.misc.Signal");
        signal.getMethod("raise", signal)
                .invoke(null, signal.getConstructor(String.class).newInstance("TERM"));
    }

    /// Makes a XenStore answer requests.
    static void ask(Path socket) throws IOException {
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
