package io.xenemu.core.paging;

import io.xenemu.core.migration.PageRunSink;
import io.xenemu.core.migration.SavedPages;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.BitSet;

/// The pages of a saved guest in its file. They come by sections of up to 256, each of them once.
final class FilePages implements PageSource {
    private final FileChannel file;
    private final SavedPages pages;
    private final BitSet brought = new BitSet();

    private FilePages(FileChannel file, SavedPages pages) {
        this.file = file;
        this.pages = pages;
    }

    /// Opens the file of a descriptor, which stays open.
    ///
    /// @param start of the pages in it
    /// @param total the number of pages of RAM
    static FilePages open(int descriptor, long start, long total) throws IOException {
        FileChannel file = FileChannel.open(Path.of("/proc/self/fd", Integer.toString(descriptor)));
        boolean done = false;
        try {
            FilePages opened = new FilePages(file, SavedPages.find(file, start, total));
            done = true;
            return opened;
        } finally {
            if (!done) {
                file.close();
            }
        }
    }

    @Override
    public boolean has(int page) {
        return pages.has(page);
    }

    @Override
    public void bring(int page, PageRunSink sink) throws IOException {
        section(pages.sectionOf(page), sink);
    }

    @Override
    public boolean bringNext(PageRunSink sink) throws IOException {
        int next = brought.nextClearBit(0);
        if (next == pages.sections()) {
            return false;
        }
        section(next, sink);
        return true;
    }

    private void section(int section, PageRunSink sink) throws IOException {
        pages.read(section, sink);
        brought.set(section);
    }

    @Override
    public void close() throws IOException {
        pages.close();
        file.close();
    }
}
