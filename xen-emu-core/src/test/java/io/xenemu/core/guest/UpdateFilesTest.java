package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.kvm.testing.Eventually;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Live updates of a guest with a device that has many files open.
@Timeout(120)
final class UpdateFilesTest {
    private static final int FILES = 300;

    @TempDir private Path folder = Path.of("");
    private final List<Path> files = new ArrayList<>();
    private final ManyFilesKind kindA = new ManyFilesKind(files);
    private final ManyFilesKind kindB = new ManyFilesKind(List.of());
    private final FakeHypervisor a = new FakeHypervisor(kindA);
    private final FakeHypervisor b = new FakeHypervisor(kindB);
    private final HostedGuests guestsA =
            new HostedGuests(a.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));
    private final HostedGuests guestsB =
            new HostedGuests(b.hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    @BeforeEach
    void start() throws Exception {
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
    }

    @AfterEach
    void close() {
        guestsA.close();
        guestsB.close();
        a.close();
        b.close();
    }

    private void create() throws Exception {
        guestsA.create(
                WebGuest.request(
                        folder.resolve("kernel"),
                        EndActions.DEFAULT,
                        List.of(ManyFilesKind.spec()),
                        EngineMap.DEFAULT),
                false);
        var _ = a.next();
    }

    private static Path behind(int descriptor) throws Exception {
        return Path.of("/proc/self/fd", Integer.toString(descriptor)).toRealPath();
    }

    /// They need several messages.
    @Test
    void manyFilesOfADeviceComeInTheirOrder() throws Exception {
        for (int i = 0; i < FILES; i++) {
            files.add(Files.createDirectory(folder.resolve("f" + i)).toRealPath());
        }
        create();
        assertEquals(List.of("left", "taken"), HandOver.run(folder, a, guestsA, guestsB));
        ImmutableIntArray received = kindB.received.getFirst();
        assertEquals(FILES, received.length());
        for (int i = 0; i < FILES; i++) {
            assertEquals(files.get(i), behind(received.get(i)));
        }
    }

    @Test
    void deviceThatStaysIsNamedBeforeAnythingHappens() throws Exception {
        kindA.stays = "it is too heavy";
        create();
        String why = "web: vif 0: it is too heavy";
        assertEquals(List.of(why, why), HandOver.run(folder, a, guestsA, guestsB));
        assertEquals(List.of(), kindB.received);
        Eventually.holds("it goes on", () -> guestsA.state("web") == GuestState.RUNNING);
    }
}
