package io.xenemu.core.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class MachineFolderTest {
    /// A process id above those that Linux gives (`PID_MAX_LIMIT`).
    private static final int NOBODY = 1 << 22;

    private static final int ORPHANS = 200;
    private static final int MACHINES = 4;

    @TempDir private Path folder = Path.of("");

    @Test
    void machinesThatStartAtOnceDeleteEachOrphanOnce() throws Exception {
        Path machines = folder.resolve("machines");
        for (int i = 0; i < ORPHANS; i++) {
            Path orphan = Files.createDirectories(machines.resolve(NOBODY + "-" + i + "/share"));
            Files.writeString(orphan.resolve("file"), "left");
        }

        Set<Path> made = new HashSet<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(MACHINES)) {
            List<Future<MachineFolder>> starting = new ArrayList<>();
            for (int i = 0; i < MACHINES; i++) {
                starting.add(
                        threads.submit(() -> MachineFolder.create(new CacheFolder(folder), "t")));
            }
            for (Future<MachineFolder> one : starting) {
                made.add(one.get().root());
            }
        }

        assertEquals(made, list(machines));
    }

    private static Set<Path> list(Path machines) throws IOException {
        try (Stream<Path> list = Files.list(machines)) {
            return new HashSet<>(list.toList());
        }
    }
}
