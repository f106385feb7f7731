package io.xenemu.core.migration;

import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Zstandard by its own C library, which the JVM loads with the first page. So commands that compress nothing do not
/// pay for it.
final class ZstdPages implements AutoCloseable {
    /// The least effort of the ordinary levels.
    static final int LEVEL = 1;

    private @Nullable ZstdCompressCtx compressor;
    private @Nullable ZstdDecompressCtx decompressor;

    /// Compresses a direct buffer.
    ///
    /// @param to a direct buffer with room for [#bound]
    /// @param at where the result begins
    /// @return the length of the result
    /// @throws IOException if the library cannot be loaded
    int compress(ByteBuffer pages, int length, ByteBuffer to, int at) throws IOException {
        ZstdCompressCtx context = compressor;
        if (context == null) {
            context = loaded(() -> new ZstdCompressCtx().setLevel(LEVEL));
            compressor = context;
        }
        to.clear();
        return context.compressDirectByteBuffer(to, at, to.capacity() - at, pages, 0, length);
    }

    /// Decompresses a direct buffer into another one.
    ///
    /// @param length how long the result has to be
    /// @throws WireException if it is not, or the bytes are none of Zstandard
    /// @throws IOException if the library cannot be loaded
    void decompress(ByteBuffer from, ByteBuffer pages, int length) throws IOException {
        ZstdDecompressCtx context = decompressor;
        if (context == null) {
            context = loaded(ZstdDecompressCtx::new);
            decompressor = context;
        }
        pages.clear();
        int count;
        try {
            count =
                    context.decompressDirectByteBuffer(
                            pages, 0, length, from, from.position(), from.remaining());
        } catch (ZstdException e) {
            throw new WireException("pages cannot be decompressed: " + e.getMessage(), e);
        }
        if (count != length) {
            throw new WireException("pages are " + count + " bytes in place of " + length);
        }
    }

    /// The most bytes that compressing takes.
    static int bound(int length) {
        return length + (length >> 8) + 64;
    }

    private static <T> T loaded(Supplier<T> made) throws IOException {
        try {
            return made.get();
        } catch (LinkageError e) {
            throw new IOException(
                    "the library of Zstandard cannot be loaded; is "
                            + System.getProperty("java.io.tmpdir")
                            + " writable?",
                    e);
        }
    }

    @Override
    public void close() {
        if (compressor != null) {
            compressor.close();
        }
        if (decompressor != null) {
            decompressor.close();
        }
    }
}
