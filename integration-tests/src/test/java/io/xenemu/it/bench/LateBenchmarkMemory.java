package io.xenemu.it.bench;

import io.xenemu.core.memory.LateMemory;
import io.xenemu.core.memory.LatePages;
import io.xenemu.core.memory.RamView;
import io.xenemu.core.migration.FileContents;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SavedPages;
import io.xenemu.core.paging.LateRam;
import io.xenemu.core.paging.PageService;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.PresentPages;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Memory without a guest that comes by a page server.
final class LateBenchmarkMemory implements LateMemory, AutoCloseable {
    private final MemFd ram;
    private final MemorySegment all;
    private @Nullable LatePages late;

    /// Memory that comes from a file.
    LateBenchmarkMemory(long bytes) {
        this(MemFd.createLarge("late", bytes));
    }

    private LateBenchmarkMemory(MemFd ram) {
        this.ram = ram;
        all = ram.map(0, ram.size());
    }

    /// Memory that comes from another host, without large pages.
    static LateBenchmarkMemory ofPeer(long bytes) {
        return new LateBenchmarkMemory(MemFd.create("late", bytes));
    }

    /// Lets all pages come over a connection.
    LateRam bringFromPeer(PageService service, StreamSocket link) throws IOException {
        long pages = ram.size() / GuestMemory.PAGE_SIZE;
        PresentPages missing = PresentPages.create("missing", pages);
        missing.set(0, pages);
        LateRam comes =
                service.bring(
                        "late",
                        this,
                        UserFaultFd.open(),
                        missing,
                        PresentPages.create("present", pages));
        comes.join(link);
        return comes;
    }

    /// The memory, for a page server of another kind.
    MemorySegment all() {
        return all;
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
        if (late != null) {
            late.end();
        }
        ram.close();
    }
}
