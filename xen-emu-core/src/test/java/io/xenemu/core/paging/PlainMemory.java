package io.xenemu.core.paging;

import io.xenemu.core.memory.LateMemory;
import io.xenemu.core.memory.LatePages;
import io.xenemu.core.memory.RamView;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Memory without a guest, in one mapping.
final class PlainMemory implements LateMemory, AutoCloseable {
    private static final long PAGE = 4096;

    private final MemFd file;
    private final MemorySegment all;
    private @Nullable LatePages late;

    PlainMemory(long pages) {
        file = MemFd.create("plain", pages * PAGE);
        all = file.map(0, file.size());
    }

    MemorySegment all() {
        return all;
    }

    /// The file of the memory, for another process.
    Path path() {
        return Path.of(
                "/proc",
                Long.toString(ProcessHandle.current().pid()),
                "fd",
                Integer.toString(file.fd()));
    }

    /// One more mapping of all of it.
    MemorySegment map() {
        return file.map(0, file.size());
    }

    /// Waits for a page.
    void await(long page) {
        late().missing().await(all.address() + page * PAGE, PAGE);
    }

    void awaitAll() {
        late().awaitAll();
    }

    /// Ends the guest, whose memory stays mapped.
    void endGuest() {
        late().end();
    }

    private LatePages late() {
        return Objects.requireNonNull(late);
    }

    /// The number of pages for which the host has memory.
    long pagesWithMemory() {
        long count = 0;
        for (long from = file.nextData(0); from < file.size(); ) {
            long to = file.nextHole(from);
            count += (to - from) / PAGE;
            from = file.nextData(to);
        }
        return count;
    }

    @Override
    public long ramBytes() {
        return file.size();
    }

    @Override
    public List<RamView> ramViews() {
        return List.of(new RamView(all, 0));
    }

    @Override
    public void comesLater(LatePages pages) {
        late = pages;
    }

    @Override
    public void hasCome() {
        // Nothing was given back meanwhile.
    }

    @Override
    public void close() {
        if (late != null) {
            late.end();
        }
        file.close();
    }
}
