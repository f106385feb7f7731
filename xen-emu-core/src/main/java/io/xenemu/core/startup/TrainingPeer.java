package io.xenemu.core.startup;

import com.google.common.net.HostAndPort;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.hypervisor.DomainIdPolicy;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.service.Daemon;
import io.xenemu.core.service.DaemonRequest;
import io.xenemu.xenstore.quota.Quotas;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// A daemon without guests, for the training of commands: it serves its control socket and its XenStore's. For them it
/// runs in a process of its own, so that their cache has none of its classes.
final class TrainingPeer {
    private final Daemon daemon;
    private final Thread serving;

    private TrainingPeer(Daemon daemon, Thread serving) {
        this.daemon = daemon;
        this.serving = serving;
    }

    /// Starts one in this process, which serves when this returns.
    ///
    static TrainingPeer start(Path control, Path store) throws InterruptedException {
        Daemon daemon =
                Daemon.withoutKvm(
                        new DaemonRequest(
                                control,
                                null,
                                null,
                                null,
                                store,
                                Quotas.DEFAULT,
                                EngineSpec.withDefaults(List.of(), 1),
                                DomainIdPolicy.XEN,
                                Duration.ZERO,
                                Path.of("/nonexistent"),
                                Path.of("/nonexistent"),
                                HostAndPort.fromParts("127.0.0.1", 0),
                                null,
                                false));
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
        // The control socket is its last step.
        while (serving.isAlive() && !Files.exists(control)) {
            Thread.sleep(1);
        }
        return new TrainingPeer(daemon, serving);
    }

    /// Serves until the end of standard input, and writes a byte when it does.
    static void serve(Path control, Path store) throws IOException, InterruptedException {
        TrainingPeer peer = start(control, store);
        try {
            System.out.println();
            int _ = System.in.read();
        } finally {
            peer.stop();
        }
    }

    /// Ends it, and waits for that.
    void stop() throws InterruptedException {
        daemon.stopAtOnce();
        serving.join();
    }
}
