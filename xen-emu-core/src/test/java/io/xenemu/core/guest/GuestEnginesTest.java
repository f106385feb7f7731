package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest's map of engines from one domain to the next.
@Timeout(120)
final class GuestEnginesTest {
    private static final EngineMap FIRST = EngineMap.parse("block:1,block:0");
    private static final EngineMap SECOND = EngineMap.parse("block:0,-,block:1,net:1");

    @TempDir private Path folder = Path.of("");
    private final FakeHypervisor fake = new FakeHypervisor();

    @BeforeEach
    void writeKernel() throws IOException {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        fake.close();
    }

    private GuestRequest request() {
        EndActions ends =
                new EndActions(
                        EndAction.DESTROY,
                        EndAction.RESTART,
                        EndAction.RENAME_RESTART,
                        EndAction.DESTROY,
                        EndAction.SOFT_RESET);
        return WebGuest.request(folder.resolve("kernel"), ends, List.of(), FIRST);
    }

    /// The engines of a domain, which has just been built.
    private DomainEngines engines(Domain domain) {
        Eventually.holds(
                "it has engines", () -> fake.hypervisor.engines().find(domain.id()) != null);
        return Objects.requireNonNull(fake.hypervisor.engines().find(domain.id()));
    }

    /// The renamed domain keeps the map as well, until it is destroyed.
    @Test
    void mapIsKeptOverARebootAndARestartBesideTheRenamedDomain() throws Exception {
        try (HostedGuests guests =
                new HostedGuests(fake.hypervisor, folder, folder.resolve("migrations"))) {
            guests.create(request(), false);
            Domain first = fake.next();
            assertEquals(FIRST, engines(first).map());
            first.shutdown(ShutdownReason.REBOOT, "of a test");
            Domain second = fake.next();
            assertEquals(FIRST, engines(second).map());

            engines(second).set(SECOND);
            second.shutdown(ShutdownReason.CRASH, "of a test");
            Domain third = fake.next();
            assertEquals(SECOND, engines(third).map());
            assertEquals(SECOND, engines(second).map());

            engines(third).set(EngineMap.DEFAULT);
            third.shutdown(ShutdownReason.REBOOT, "of a test");
            assertEquals(EngineMap.DEFAULT, engines(fake.next()).map());
        }
    }
}
