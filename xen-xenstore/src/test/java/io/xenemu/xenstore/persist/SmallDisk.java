package io.xenemu.xenstore.persist;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/// A disk that has so much room, of which files take what they become longer by.
final class SmallDisk extends OddDisk {
    private final AtomicLong free;
    private volatile boolean copies;

    SmallDisk(long free) {
        this.free = new AtomicLong(free);
    }

    /// Bytes that are free from now on.
    void free(long bytes) {
        free.set(bytes);
    }

    /// Like a file system that writes nothing in place: a write takes room even within the file's length, and what is
    /// cut off becomes free much later.
    void copyOnWrite() {
        copies = true;
    }

    @Override
    public FileChannel open(Path path, Set<? extends OpenOption> options) throws IOException {
        return new Channel(super.open(path, options));
    }

    private final class Channel extends FileChannel {
        private final FileChannel real;

        Channel(FileChannel real) {
            this.real = real;
        }

        /// Writes as much as there is room for, as the system does.
        @Override
        public int write(ByteBuffer src, long position) throws IOException {
            long fits = src.remaining();
            long inPlace = copies ? 0 : Math.clamp(real.size() - position, 0, fits);
            long taken = Math.min(fits - inPlace, free.get());
            fits = inPlace + taken;
            if (fits == 0 && src.hasRemaining()) {
                throw new IOException("No space left on device");
            }
            free.addAndGet(-taken);
            int limit = src.limit();
            src.limit(src.position() + Math.toIntExact(fits));
            int written = real.write(src, position);
            src.limit(limit);
            return written;
        }

        @Override
        public int write(ByteBuffer src) {
            throw new UnsupportedOperationException();
        }

        @Override
        public long write(ByteBuffer[] srcs, int offset, int length) {
            throw new UnsupportedOperationException();
        }

        @Override
        public FileChannel truncate(long size) throws IOException {
            free.addAndGet(copies ? 0 : Math.max(0, real.size() - size));
            real.truncate(size);
            return this;
        }

        @Override
        public int read(ByteBuffer dst) throws IOException {
            return real.read(dst);
        }

        @Override
        public long read(ByteBuffer[] dsts, int offset, int length) throws IOException {
            return real.read(dsts, offset, length);
        }

        @Override
        public int read(ByteBuffer dst, long position) throws IOException {
            return real.read(dst, position);
        }

        @Override
        public long position() throws IOException {
            return real.position();
        }

        @Override
        public FileChannel position(long newPosition) throws IOException {
            real.position(newPosition);
            return this;
        }

        @Override
        public long size() throws IOException {
            return real.size();
        }

        @Override
        public void force(boolean metaData) throws IOException {
            real.force(metaData);
        }

        @Override
        public long transferTo(long position, long count, WritableByteChannel target)
                throws IOException {
            return real.transferTo(position, count, target);
        }

        @Override
        public long transferFrom(ReadableByteChannel src, long position, long count) {
            throw new UnsupportedOperationException();
        }

        @Override
        public MappedByteBuffer map(MapMode mode, long position, long size) throws IOException {
            return real.map(mode, position, size);
        }

        @Override
        public FileLock lock(long position, long size, boolean shared) throws IOException {
            return real.lock(position, size, shared);
        }

        @Override
        public FileLock tryLock(long position, long size, boolean shared) throws IOException {
            return real.tryLock(position, size, shared);
        }

        @Override
        protected void implCloseChannel() throws IOException {
            real.close();
        }
    }
}
