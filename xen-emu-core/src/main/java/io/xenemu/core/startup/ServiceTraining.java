package io.xenemu.core.startup;

import io.xenemu.core.cli.XenEmu;
import io.xenemu.core.service.StoreSocketPath;
import io.xenemu.core.xenstore.RequestFailed;
import io.xenemu.core.xenstore.StoreConnection;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Does what services do, as far as that goes without KVM: a XenStore daemon and a daemon without guests serve their sockets, and
/// the hypercalls' own code works on memory of this process. All classes of ours are loaded, so that a guest's first boot finds
/// them.
final class ServiceTraining {
    /// Enough for the JVM to keep what it has learnt of the code (it does so of code that it has compiled).
    private static final int ROUNDS = 3000;

    private ServiceTraining() {}

    /// Leaves a daemon behind that serves until the process ends, and files beside the socket that the environment names.
    ///
    /// @throws XenError never, unless the training is wrong
    static void run() throws IOException, InterruptedException, XenError {
        Path folder = StoreSocketPath.of(System.getenv()).resolveSibling("service");
        Files.createDirectories(folder);
        // First, since the command sets up the log.
        xenstored(folder.resolve("xenstored"));
        OurClasses.load();
        EventFd.create().close();
        HypercallTraining.run();
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
        daemon(folder, kernel.toString());
        // Ends where there is no KVM, or one without Xen.
        int _ =
                XenEmu.execute(
                        "run", "--kernel", kernel.toString(), "--lab", "never", "--timeout", "1");
    }

    /// A daemon whose guest ends where KVM is to make its VM.
    private static void daemon(Path folder, String kernel) throws InterruptedException {
        String control = folder.resolve("control").toString();
        TrainingPeer daemon = TrainingPeer.start(Path.of(control), folder.resolve("store"));
        int _ = XenEmu.execute("create", "-s", control, "--name", "none", "--kernel", kernel);
        int _ = XenEmu.execute("list", "-s", control);
        int _ = XenEmu.execute("domid", "-s", control, "none");
        daemon.stop();
    }

    private static void xenstored(Path socket) throws IOException, InterruptedException {
        Thread serving =
                Thread.ofPlatform()
                        .name("xenstored")
                        .daemon()
                        .start(() -> XenEmu.execute("xenstored", "--socket", socket.toString()));
        while (serving.isAlive() && !Files.exists(socket)) {
            Thread.sleep(1);
        }
        talk(socket);
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
