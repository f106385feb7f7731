package io.xenemu.core.startup;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.cli.XenEmu;
import io.xenemu.core.service.StoreSocketPath;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Runs a service of guests as far as that works without KVM. A daemon without guests serves its sockets, and a guest
/// on a VM in which nothing runs starts and makes hypercalls. All classes of the project are loaded, so that a guest's
/// first boot finds them.
final class ServiceTraining {
    private ServiceTraining() {}

    /// Leaves files behind beside the socket that the environment names.
    ///
    /// @throws XenError never, unless the training is wrong
    static void run() throws IOException, InterruptedException, BootException, XenError {
        Path folder = StoreSocketPath.of(System.getenv()).resolveSibling("service");
        Files.createDirectories(folder);
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
        // Runs first, since the command sets up the log. It ends if there is no KVM, or one without
        // Xen.
        int _ =
                XenEmu.execute(
                        "run", "--kernel", kernel.toString(), "--lab", "never", "--timeout", "1");
        OurClasses.load();
        EventFd.create().close();
        HypercallTraining.run(kernel);
        MigrationTraining.run(folder.resolve("migration"), kernel);
        daemon(folder, kernel.toString());
    }

    /// Runs a daemon whose guest ends at the point where KVM would make its VM.
    private static void daemon(Path folder, String kernel)
            throws IOException, InterruptedException {
        String control = folder.resolve("control").toString();
        Path store = folder.resolve("store");
        TrainingPeer daemon = TrainingPeer.start(Path.of(control), store);
        StoreTraining.ask(store);
        int _ = XenEmu.execute("create", "-s", control, "--name", "none", "--kernel", kernel);
        int _ = XenEmu.execute("list", "-s", control);
        int _ = XenEmu.execute("domid", "-s", control, "none");
        daemon.stop();
    }
}
