package io.xenemu.core.xenimage;

import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.boot.NamelessFile;
import io.xenemu.kvm.memory.GuestMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/// The pages of an image until all of it was read: where a guest's memory is, is known only then. They wait in a file
/// without a name, sparse, at the places of their frames. Pages of zeros are not in it.
final class PageSpool implements PageSink, AutoCloseable {
    /// The most pages that are read with one call: 64 MiB.
    private static final int MOST_AT_ONCE = 1 << 14;

    private final ByteBuffer zeros = ByteBuffer.allocate(GuestMemory.PAGE_SIZE);
    private final FileChannel file;
    private final PageSet written = new PageSet();

    PageSpool() throws IOException {
        file = NamelessFile.create(".pages");
    }

    @Override
    public void page(long frame, ByteBuffer page) throws IOException {
        if (page.mismatch(zeros) < 0) {
            boolean _ = written.remove(frame);
            return;
        }
        boolean _ = written.add(frame);
        long at = frame * GuestMemory.PAGE_SIZE;
        while (page.hasRemaining()) {
            at += file.write(page, at);
        }
    }

    /// Puts the contents into RAM, which is all zeros.
    ///
    /// @param present the frames that the guest has
    /// @throws IOException if they cannot be read again
    void fill(MachineLayout layout, PageSet present, MemorySegment ram) throws IOException {
        long frame = written.next(0);
        while (frame >= 0) {
            long page = present.has(frame) ? layout.pageAt(frame) : -1;
            if (page < 0) {
                frame = written.next(frame + 1);
                continue;
            }
            int count = 1;
            while (count < MOST_AT_ONCE && follows(layout, present, frame + count, page + count)) {
                count++;
            }
            read(frame, ram.asSlice(page * GuestMemory.PAGE_SIZE, bytes(count)).asByteBuffer());
            frame = written.next(frame + count);
        }
    }

    private boolean follows(MachineLayout layout, PageSet present, long frame, long page) {
        return written.has(frame) && present.has(frame) && layout.pageAt(frame) == page;
    }

    private static long bytes(int pages) {
        return (long) pages * GuestMemory.PAGE_SIZE;
    }

    private void read(long frame, ByteBuffer to) throws IOException {
        long at = frame * GuestMemory.PAGE_SIZE;
        while (to.hasRemaining()) {
            int length = file.read(to, at);
            if (length < 0) {
                throw new IOException("pages that waited in a file have got lost");
            }
            at += length;
        }
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
