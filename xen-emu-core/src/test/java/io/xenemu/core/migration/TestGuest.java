package io.xenemu.core.migration;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;

/// A guest of some pages, to be saved, and streams in memory.
final class TestGuest implements AutoCloseable {
    static final int PAGE = SaveFormat.PAGE;

    private final String name;
    private final int id;
    private final MemFd file;
    private final MemorySegment pages;

    /// @param pages all its pages, all zeros and holes
    TestGuest(String name, int id, long pages) {
        this.name = name;
        this.id = id;
        file = MemFd.create("test-" + name, pages * PAGE);
        this.pages = file.map(0, pages * PAGE);
    }

    GuestSummary summary() {
        return new GuestSummary(
                name,
                DomId.of(id),
                new UUID(0x1122_3344_5566_7788L, id),
                2,
                pages.byteSize(),
                Instant.ofEpochMilli(1_800_000_000_123L));
    }

    static BodyWriter config() {
        return new BodyWriter().string("configuration");
    }

    byte[] state() {
        return ("state of " + name).getBytes(StandardCharsets.US_ASCII);
    }

    MemorySegment pages() {
        return pages;
    }

    RamSource ram() {
        return new RamSource(file, pages);
    }

    /// Gives a page another content.
    TestGuest fill(long page, long seed) {
        for (int at = 0; at < PAGE; at += Long.BYTES) {
            pages.set(
                    ValueLayout.JAVA_LONG,
                    page * PAGE + at,
                    seed * 0x9e37_79b9_7f4a_7c15L + (at & 64));
        }
        return this;
    }

    /// The pages that have memory of the host.
    Set<Long> withMemory() {
        Set<Long> numbers = new TreeSet<>();
        for (long from = file.nextData(0); from < file.size(); from = file.nextData(from)) {
            long to = file.nextHole(from);
            for (long at = from; at < to; at += PAGE) {
                numbers.add(at / PAGE);
            }
            from = to;
        }
        return numbers;
    }

    /// Writes the guest, without files.
    void write(SaveWriter writer) throws IOException {
        writer.guest(summary(), 7, config());
        writer.state(state());
        writer.ram(ram(), new WorkProgress());
    }

    /// A stream with this guest alone, without files.
    byte[] saved(PageEncoding encoding) {
        try {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            SaveWriter writer = new SaveWriter(to(bytes), encoding);
            write(writer);
            writer.end();
            return bytes.toByteArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static WritableByteChannel to(ByteArrayOutputStream bytes) {
        return Channels.newChannel(bytes);
    }

    static ReadableByteChannel from(byte[] bytes) {
        return Channels.newChannel(new ByteArrayInputStream(bytes));
    }

    /// Reads and checks a whole stream, as whoever restores or inspects one.
    ///
    /// @return the number of its guests
    static int readAll(byte[] stream) throws IOException {
        try (SaveReader reader = new SaveReader(from(stream))) {
            int guests = 0;
            while (reader.guest(FileContents.NONE) != null) {
                guests++;
                reader.state().transferTo(OutputStream.nullOutputStream());
                reader.checkRam(new WorkProgress());
            }
            reader.requireNoMore();
            return guests;
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
