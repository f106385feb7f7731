package io.xenemu.core.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class CacheFolderTest {
    @TempDir private Path root = Path.of("");

    @Test
    void anEntryIsMadeOnceForManyThatWantIt() throws Exception {
        CacheFolder cache = new CacheFolder(root);
        AtomicInteger made = new AtomicInteger();
        Callable<Path> want =
                () ->
                        cache.entry(
                                "folder/entry",
                                target -> {
                                    made.incrementAndGet();
                                    Files.writeString(target, "content");
                                });
        List<Future<Path>> all;
        try (var threads = Executors.newFixedThreadPool(4)) {
            all = threads.invokeAll(List.of(want, want, want, want));
        }

        for (Future<Path> one : all) {
            assertEquals("content", Files.readString(one.get()));
        }
        assertEquals(1, made.get());
    }

    @Test
    void failureLeavesNoEntryAndTheEntryIsMadeLater() throws IOException {
        CacheFolder cache = new CacheFolder(root);
        assertThrows(
                LabException.class,
                () ->
                        cache.entry(
                                "entry",
                                target -> {
                                    Files.createDirectory(target);
                                    Files.writeString(target.resolve("half"), "");
                                    throw new LabException("no network");
                                }));
        assertFalse(Files.exists(root.resolve("entry")));

        Path entry = cache.entry("entry", Files::createDirectory);

        try (Stream<Path> inside = Files.list(entry)) {
            assertEquals(0, inside.count());
        }
    }

    @Test
    void theUsersOwnCacheFolderIsRespected() {
        assertEquals(
                Path.of("/some/cache/xen-emu"),
                CacheFolder.of(Map.of("XDG_CACHE_HOME", "/some/cache")).root());
    }
}
