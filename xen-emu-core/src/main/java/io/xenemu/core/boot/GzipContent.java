package io.xenemu.core.boot;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;

/// A gzip-compressed kernel, unpacked into memory outside of the heap. Xen's domain builder also unpacks such a file
/// before it looks at its contents. The memory grows with the unpacked bytes, since the length at the end of a gzip
/// file may be wrong.
final class GzipContent implements BootContent {
    /// XC_DOM_DECOMPRESS_MAX of Xen's domain builder, in bytes.
    static final long MAX_BYTES = 1L << 30;

    private static final int MAGIC_0 = 0x1f;
    private static final int MAGIC_1 = 0x8b;

    /// Bytes per chunk: large enough for few chunks, small enough to waste little.
    private static final int CHUNK = 1 << 20;

    private static final int INPUT_BUFFER = 64 << 10;

    private final List<MemorySegment> chunks;
    private final long size;

    private GzipContent(List<MemorySegment> chunks, long size) {
        this.chunks = List.copyOf(chunks);
        this.size = size;
    }

    static boolean hasMagic(BootContent content) throws BootException {
        var start = new byte[2];
        if (content.size() < start.length) {
            return false;
        }
        content.read(0, MemorySegment.ofArray(start));
        return Byte.toUnsignedInt(start[0]) == MAGIC_0 && Byte.toUnsignedInt(start[1]) == MAGIC_1;
    }

    /// Unpacks all of it.
    ///
    /// @param name the file's name, for messages
    /// @param limit of the unpacked bytes; [#MAX_BYTES] applies as well
    /// @param arena owns the memory
    /// @throws BootException if the file is broken, or unpacks to more than the limit
    static BootContent unpack(String name, BootContent packed, long limit, Arena arena)
            throws BootException {
        long most = Math.min(limit, MAX_BYTES);
        List<MemorySegment> chunks = new ArrayList<>();
        var buffer = new byte[CHUNK];
        long size = 0;
        try (var stream = new GZIPInputStream(new ContentStream(packed), INPUT_BUFFER)) {
            while (true) {
                int count = stream.readNBytes(buffer, 0, CHUNK);
                size += count;
                if (size > most) {
                    throw new BootException(
                            "%s: unpacks to more than %d MiB, the limit for this guest"
                                    .formatted(name, most >> 20));
                }
                if (count > 0) {
                    MemorySegment chunk = arena.allocate(count);
                    MemorySegment.copy(buffer, 0, chunk, ValueLayout.JAVA_BYTE, 0, count);
                    chunks.add(chunk);
                }
                if (count < CHUNK) {
                    return new GzipContent(chunks, size);
                }
            }
        } catch (ContentStream.Failure e) {
            throw e.cause;
        } catch (IOException e) {
            throw new BootException(name + ": broken gzip file: " + e.getMessage(), e);
        }
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public void read(long offset, MemorySegment into) {
        for (long done = 0; done < into.byteSize(); ) {
            long from = offset + done;
            MemorySegment chunk = chunks.get(Math.toIntExact(from / CHUNK));
            long count = Math.min(into.byteSize() - done, chunk.byteSize() - from % CHUNK);
            MemorySegment.copy(chunk, from % CHUNK, into, done, count);
            done += count;
        }
    }

    /// Content as a stream.
    private static final class ContentStream extends InputStream {
        private final BootContent content;
        private long at;

        ContentStream(BootContent content) {
            this.content = content;
        }

        /// Carries the cause through the stream, which can only throw IOException.
        private static final class Failure extends IOException {
            private static final long serialVersionUID = 1L;

            private final transient BootException cause;

            Failure(BootException cause) {
                super(cause);
                this.cause = cause;
            }
        }

        @Override
        public int read() throws IOException {
            var one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            if (length == 0) {
                return 0;
            }
            int count = Math.toIntExact(Math.min(length, content.size() - at));
            if (count <= 0) {
                return -1;
            }
            try {
                content.read(at, MemorySegment.ofArray(bytes).asSlice(offset, count));
            } catch (BootException e) {
                throw new Failure(e);
            }
            at += count;
            return count;
        }
    }
}
