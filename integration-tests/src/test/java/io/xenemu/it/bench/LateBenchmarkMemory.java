package io.xenemu.it.bench;

import io.xenemu.core.memory.LateMemory;
import io.xenemu.core.memory.LatePages;
import io.xenemu.core.memory.RamView;
import io.xenemu.core.migration.FileContents;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SavedPages;
import io.xenemu.core.paging.PageService;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.UserFaultFd;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Memory without a guest that comes from a file by a page server.
final class LateBenchmarkMemory implements LateMemory, AutoCloseable {
    private final MemFd ram;
    private final MemorySegment all;
    private @Nullable LatePages late;

    LateBenchmarkMemory(long bytes) {
        ram = MemFd.createLarge("late", bytes);
        all = ram.map(0, bytes);
    }

    /// Does what a lazy restore does with a file before the guest runs.
    void bring(PageService service, Path file) throws IOException {
        long start;
        try (FileChannel channel = FileChannel.open(file);
                SaveReader reader = new SaveReader(channel)) {
            reader.guest(FileContents.NONE);
            reader.state().readAllBytes();
            try (SavedPages pages = reader.findRam(channel, ram.size())) {
                start = pages.start();
            }
            if (reader.guest(FileContents.NONE) != null) {
                throw new IOException("a second guest");
            }
        }
        service.bring(
                "late", this, false, UserFaultFd.open(), HostFile.open(file, Set.of()), start);
    }

    /// Waits for a page.
    void await(long offset) {
        pages().missing().await(all.address() + offset, 1);
    }

    /// Waits for all pages.
    void awaitAll() {
        pages().awaitAll();
    }

    private LatePages pages() {
        return Objects.requireNonNull(late);
    }

    @Override
    public long ramBytes() {
        return ram.size();
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
        pages().end();
        ram.close();
    }
}
