package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.testing.GoldenFile;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.FrameWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.UUID;

/// A small stream of each form.
public final class SavedStreams {
    private SavedStreams() {}

    /// A stream that is kept for ever.
    ///
    /// @param form its pages: `plain` or `zstd`
    public static byte[] golden(String form) throws IOException {
        return GoldenFile.bytes(SavedStreams.class, "saved-guest-v1-" + form + ".hex");
    }

    /// The guest of the golden streams, written now.
    static byte[] write(PageEncoding encoding) throws IOException {
        ByteArrayOutputStream frames = new ByteArrayOutputStream();
        FrameWriter state = new FrameWriter(frames);
        state.write(0x4e4d4f44, 3, new BodyWriter().u32(1));
        state.write(0x102, 9, new BodyWriter().u8(1).u8(2).u8(3));
        state.finish();
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        Path kernel =
                Files.write(
                        Files.createTempFile("vmlinuz", ""),
                        "linux".getBytes(StandardCharsets.US_ASCII));
        try (TestGuest guest = new TestGuest("web", 5, 40).fill(0, 1).fill(7, 2).fill(8, 3)) {
            SaveWriter writer = new SaveWriter(TestGuest.to(stream), encoding);
            writer.guest(
                    new GuestSummary(
                            "web\u001b2",
                            DomId.of(5),
                            UUID.fromString("11223344-5566-7788-99aa-bbccddeeff00"),
                            2,
                            guest.pages().byteSize() + 65_536,
                            Instant.ofEpochMilli(1_800_000_000_123L)),
                    7,
                    new BodyWriter().u32(4));
            try (FileChannel content = FileChannel.open(kernel)) {
                writer.file(BootFile.Role.KERNEL, "/boot/vmlinuz", content, true);
            }
            writer.state(frames.toByteArray());
            writer.ram(guest.ram(), new WorkProgress());
            writer.end();
        } finally {
            Files.delete(kernel);
        }
        return stream.toByteArray();
    }
}
