package io.xenemu.core.coredump;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/// A core as a debugger reads it, by the ELF specification alone.
///
/// @param notes in the order of the file
/// @param loads memory
record ParsedCore(Path file, List<Note> notes, List<Load> loads) {
    private static final int IDENT_AND_TYPE = 24;

    record Note(String name, int type, ByteBuffer content) {}

    record Load(long offset, long virtual, long physical, long inFile, long inMemory) {}

    static ParsedCore of(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            ByteBuffer header = read(channel, 0, 64);
            assertEquals(0x464c457f, header.getInt(0), "magic");
            assertEquals(2, header.get(4), "64 bits");
            assertEquals(1, header.get(5), "little-endian");
            assertEquals(1, header.get(6), "version");
            assertEquals(4, header.getShort(16), "ET_CORE");
            assertEquals(62, header.getShort(18), "EM_X86_64");
            assertEquals(1, header.getInt(20), "version");
            assertEquals(0, header.getLong(IDENT_AND_TYPE), "entry");
            long segments = header.getLong(32);
            assertEquals(64, header.getShort(52), "size of the header");
            assertEquals(56, header.getShort(54), "size of a segment's header");
            List<Note> notes = new ArrayList<>();
            List<Load> loads = new ArrayList<>();
            for (int i = 0; i < header.getShort(56); i++) {
                ByteBuffer segment = read(channel, segments + i * 56L, 56);
                Load load =
                        new Load(
                                segment.getLong(8),
                                segment.getLong(16),
                                segment.getLong(24),
                                segment.getLong(32),
                                segment.getLong(40));
                assertEquals(0, segment.getLong(48), "with an alignment it is no core for crash");
                switch (segment.getInt(0)) {
                    case 1 -> loads.add(load);
                    case 4 -> notes.addAll(notes(read(channel, load.offset(), load.inFile())));
                    default -> throw new AssertionError("segment " + segment.getInt(0));
                }
            }
            return new ParsedCore(file, notes, loads);
        }
    }

    private static List<Note> notes(ByteBuffer bytes) {
        List<Note> notes = new ArrayList<>();
        while (bytes.hasRemaining()) {
            byte[] name = new byte[bytes.getInt()];
            int length = bytes.getInt();
            int type = bytes.getInt();
            int start = bytes.position();
            bytes.get(name);
            assertEquals(0, name[name.length - 1]);
            int content = start + (name.length + 3) / 4 * 4;
            notes.add(
                    new Note(
                            new String(name, 0, name.length - 1, US_ASCII),
                            type,
                            bytes.slice(content, length).order(ByteOrder.LITTLE_ENDIAN)));
            bytes.position(content + (length + 3) / 4 * 4);
        }
        return notes;
    }

    private static ByteBuffer read(FileChannel channel, long offset, long length)
            throws IOException {
        ByteBuffer bytes =
                ByteBuffer.allocate(Math.toIntExact(length)).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            assertEquals(bytes.remaining(), channel.read(bytes, offset + bytes.position()));
        }
        return bytes.flip();
    }

    /// The 64 bits at a guest-physical address.
    long word(long address) throws IOException {
        for (Load load : loads) {
            if (address >= load.physical() && address < load.physical() + load.inFile()) {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                    return read(channel, load.offset() + address - load.physical(), Long.BYTES)
                            .getLong();
                }
            }
        }
        throw new AssertionError("not in the core: %#x".formatted(address));
    }
}
