package io.xenemu.core.guest;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A process that is killed during a migration leaves one copy of the guest at most.
@Timeout(300)
final class KilledMigrationTest {
    private static final int KILLS = 10;
    private static final long SEED = 20_261_130;

    @TempDir private Path folder = Path.of("");

    @Test
    void oneCopyIsLeftWhereverAProcessIsKilled() throws Exception {
        try (KilledMigrations migrations = new KilledMigrations(folder, SEED)) {
            for (int i = 0; i < KILLS; i++) {
                String _ = migrations.play();
            }
        }
    }
}
