package io.xenemu.core.paging;

import io.xenemu.core.migration.PageRunSink;
import io.xenemu.core.migration.SavedPages;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The files whose pages several guests share, each in memory once. A section is read when the first guest needs it.
/// Each guest gets a copy of a page when it first touches that page or one of its neighbours, and has no memory for the
/// others.
///
/// For the server's thread alone.
final class SharedPages {
    private static final long PAGE = GuestMemory.PAGE_SIZE;

    /// Pages that are brought at a time to a guest that wants all.
    private static final int BATCH = 256;

    /// Pages that come with one that is touched: a run of so many, aligned. A guest that goes on touches most of its
    /// pages beside others, and each touch costs a switch to this process and back.
    private static final int AROUND = 16;

    private final Map<Key, Contents> all = new HashMap<>();

    /// Which pages they are.
    ///
    /// @param file its identity on the host
    /// @param start of the pages in it
    private record Key(@Nullable Object file, long start) {}

    /// Opens the file of a descriptor, which stays open, for one more guest.
    ///
    /// @param start of the pages in it
    /// @param total the number of pages of RAM
    PageSource open(int descriptor, long start, long total) throws IOException {
        Path path = Path.of("/proc/self/fd", Integer.toString(descriptor));
        Key key = new Key(Files.readAttributes(path, BasicFileAttributes.class).fileKey(), start);
        Contents contents = all.get(key);
        if (contents == null) {
            FileChannel file = FileChannel.open(path);
            boolean done = false;
            try {
                contents = new Contents(key, file, SavedPages.find(file, start, total), total);
                done = true;
            } finally {
                if (!done) {
                    file.close();
                }
            }
            all.put(key, contents);
        }
        contents.users++;
        return new Share(contents);
    }

    /// A file's pages.
    private final class Contents {
        final Key key;
        final FileChannel file;
        final SavedPages pages;
        final MemFd memory;
        final MemorySegment all;
        final BitSet read = new BitSet();
        int users;

        Contents(Key key, FileChannel file, SavedPages pages, long total) {
            this.key = key;
            this.file = file;
            this.pages = pages;
            memory = MemFd.create("xen-shared-pages", total * PAGE);
            all = memory.map(0, memory.size());
        }

        /// Reads the section of a page, once.
        void read(int page) throws IOException {
            int section = pages.sectionOf(page);
            if (!read.get(section)) {
                pages.read(
                        section,
                        (first, run) ->
                                MemorySegment.copy(run, 0, all, first * PAGE, run.byteSize()));
                read.set(section);
            }
        }

        MemorySegment slice(int page, int count) {
            return all.asSlice(page * PAGE, count * PAGE);
        }

        void leave() throws IOException {
            users--;
            if (users == 0) {
                SharedPages.this.all.remove(key);
                pages.close();
                memory.close();
                file.close();
            }
        }
    }

    /// One guest's use of them.
    private static final class Share implements PageSource {
        private final Contents contents;

        /// The pages before it were brought because all are wanted.
        private int next;

        Share(Contents contents) {
            this.contents = contents;
        }

        @Override
        public boolean has(int page) {
            return contents.pages.has(page);
        }

        @Override
        public void bring(int page, PageRunSink sink) throws IOException {
            contents.read(page);
            int first = page;
            while (first > (page & -AROUND) && isBeside(first - 1, page)) {
                first--;
            }
            int count = page - first + 1;
            while (first + count < (page & -AROUND) + AROUND && isBeside(first + count, page)) {
                count++;
            }
            sink.run(first, contents.slice(first, count));
        }

        /// Whether the file has a page, in the section of another one.
        private boolean isBeside(int page, int other) {
            return contents.pages.has(page)
                    && contents.pages.sectionOf(page) == contents.pages.sectionOf(other);
        }

        @Override
        public boolean bringNext(PageRunSink sink) throws IOException {
            int page = contents.pages.next(next);
            if (page < 0) {
                return false;
            }
            contents.read(page);
            int count = 1;
            while (count < BATCH && isBeside(page + count, page)) {
                count++;
            }
            sink.run(page, contents.slice(page, count));
            next = page + count;
            return true;
        }

        @Override
        public void close() throws IOException {
            contents.leave();
        }
    }
}
