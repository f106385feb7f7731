package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest with two disks on one image, which are only read, moves to a service that does not see the image.
@Timeout(300)
final class SharedImageTest {
    private static final MigrationOptions COPIES = MigrationOptions.DEFAULT.withStorage(false);

    @TempDir private Path folder = Path.of("");

    private static final class Services extends TwoSides {
        private final Domain domain;

        Services(Path folder) throws Exception {
            super(folder);
            Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());
            Path image = Files.writeString(folder.resolve("cd"), "x".repeat(4096));
            disksB.live(Files.createDirectories(folder.resolve("b")));
            guestsA.create(
                    WebGuest.request(
                            kernel,
                            EndActions.DEFAULT,
                            List.of(
                                    DiskSpec.parse(List.of(image + ",raw,xvda,ro")),
                                    DiskSpec.parse(List.of(image + ",raw,xvdb,ro"))),
                            EngineMap.DEFAULT),
                    false);
            domain = a.next();
            Eventually.holds("it runs", () -> guestsA.state("web") == GuestState.RUNNING);
        }

        List<Throwable> move() throws Exception {
            try (TestCarrier carrier =
                    new TestCarrier(
                            Files.createTempDirectory(folder, "c"), TestCarrier.Fault.NONE)) {
                FutureTask<String> target =
                        begun(() -> guestsB.receive(carrier.target(), "host a"));
                FutureTask<Migration.Status> source =
                        begun(() ->
                                guestsA.migrate(
                                        List.of(domain),
                                        carrier.source(),
                                        "host b",
                                        COPIES,
                                        _ -> {}));
                return failures(source, target);
            }
        }
    }

    @Test
    void imageIsNotMadeTwice() throws Exception {
        Path there = folder.resolve("b").resolve("cd");
        try (Services services = new Services(folder)) {
            assertEquals(
                    "host b: %s would be made for two disks that are only read; copy it here before, and both are compared with it"
                            .formatted(there),
                    String.valueOf(services.move().getFirst().getMessage()));
            assertEquals(GuestState.RUNNING, services.guestsA.state("web"));
            Files.copy(folder.resolve("cd"), there);
            assertEquals(Arrays.asList(null, null), services.move());
            assertEquals(2, services.disksB.open());
        }
    }
}
