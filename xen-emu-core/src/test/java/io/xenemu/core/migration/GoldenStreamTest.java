package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.xenemu.core.host.WorkProgress;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Streams of earlier formats are read for ever.
class GoldenStreamTest {
    @ParameterizedTest
    @ValueSource(strings = {"plain", "zstd"})
    void formatOneIsRead(String form) throws IOException {
        ByteArrayOutputStream kernel = new ByteArrayOutputStream();
        try (TestGuest expected = new TestGuest("web", 5, 40).fill(0, 1).fill(7, 2).fill(8, 3);
                TestGuest restored = new TestGuest("web", 5, 40);
                SaveReader reader = new SaveReader(TestGuest.from(SavedStreams.golden(form)))) {
            SavedHead head = reader.guest((_, _, _) -> TestGuest.to(kernel));
            assertNotNull(head);
            assertEquals("web\u001b2", head.guest().name());
            assertEquals(5, head.guest().id().value());
            assertEquals("11223344-5566-7788-99aa-bbccddeeff00", head.guest().uuid().toString());
            assertEquals(2, head.guest().vcpus());
            assertEquals(40 * 4096 + 65_536, head.guest().memoryBytes());
            assertEquals(1_800_000_000_123L, head.guest().savedAt().toEpochMilli());
            assertEquals(7, head.config().version());
            assertEquals(4, head.config().body().u32());
            assertEquals(
                    List.of("/boot/vmlinuz"), head.files().stream().map(BootFile::path).toList());
            assertEquals("linux", kernel.toString(StandardCharsets.US_ASCII));
            assertEquals(67, reader.state().readAllBytes().length);
            assertEquals(3, reader.ram(restored.ram(), new WorkProgress()));
            assertNull(reader.guest(FileContents.NONE));
            assertEquals(-1, expected.pages().mismatch(restored.pages()));
        }
    }

    /// Compressed bytes may differ with the library's version.
    @Test
    void formatOneIsWritten() throws IOException {
        assertArrayEquals(SavedStreams.golden("plain"), SavedStreams.write(PageEncoding.NONE));
    }
}
