package io.xenemu.core.startup;

import io.xenemu.core.cli.XenEmu;
import io.xenemu.core.service.HostException;
import io.xenemu.core.service.StoreDaemon;
import io.xenemu.core.service.StoreDaemonRequest;
import io.xenemu.core.xenstore.RequestFailed;
import io.xenemu.core.xenstore.StoreConnection;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.xenstore.Quotas;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Does what services do, as far as that goes without KVM: a XenStore daemon and a daemon without guests serve their sockets, and the
/// hypercalls' own code works on memory of this process. All classes of ours are loaded, so that a guest's first boot finds them.
final class ServiceTraining {
    /// Enough for the JVM to keep what it has learnt of the code (it does so of code that it has compiled).
    private static final int ROUNDS = 3000;

    private ServiceTraining() {}

    static void run() throws IOException, InterruptedException, XenError {
        OurClasses.load();
        EventFd.create().close();
        HypercallTraining.run();
        xenstored();
        Path kernel = Files.createTempFile("xen-emu-", ".elf");
        try {
            Files.write(kernel, TrainingKernel.image());
            daemon(kernel.toString());
            // Ends where there is no KVM, or one without Xen.
            int _ =
                    XenEmu.execute(
                            "run",
                            "--kernel",
                            kernel.toString(),
                            "--lab",
                            "never",
                            "--timeout",
                            "1");
        } finally {
            Files.delete(kernel);
        }
    }

    /// A daemon whose guest ends where KVM is to make its VM.
    private static void daemon(String kernel) throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("xen-emu-");
        String control = folder.resolve("control").toString();
        TrainingPeer daemon = TrainingPeer.start(Path.of(control), folder.resolve("store"));
        try {
            List<String> create =
                    List.of("create", "-s", control, "--name", "none", "--kernel", kernel);
            for (List<String> command :
                    List.of(
                            create,
                            List.of("list", "-s", control),
                            List.of("domid", "-s", control, "none"))) {
                int _ = XenEmu.execute(command.toArray(String[]::new));
            }
        } finally {
            daemon.stop();
            Files.delete(folder);
        }
    }

    private static void xenstored() throws IOException, InterruptedException {
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
