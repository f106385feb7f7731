package io.xenemu.core.paging;

import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.memory.LateMemory;
import io.xenemu.core.migration.FileContents;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.PageEncoding;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.migration.SavedPages;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.Set;
import java.util.UUID;

/// A file of a saved guest with memory alone.
///
/// @param file of it
/// @param start of its pages
record SavedMemory(Path file, long start) {
    /// Writes one whose first pages have their number and one in the first word.
    ///
    /// @param pages all
    /// @param count of those that are not zero
    static SavedMemory write(Path file, int pages, int count) throws IOException {
        try (MemFd memory = MemFd.create("saved", pages * 4096L)) {
            MemorySegment all = memory.map(0, memory.size());
            for (long page = 0; page < count; page++) {
                all.set(ValueLayout.JAVA_LONG, page * 4096, page + 1);
            }
            return write(file, new RamSource(memory, all));
        }
    }

    /// Writes one.
    static SavedMemory write(Path file, RamSource ram) throws IOException {
        try (FileChannel out =
                FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            SaveWriter writer = new SaveWriter(out, PageEncoding.ZSTD);
            writer.guest(
                    new GuestSummary("web", DomId.of(1), new UUID(1, 2), 1, 0, Instant.EPOCH),
                    1,
                    new BodyWriter());
            writer.state(new byte[] {1});
            writer.ram(ram, new WorkProgress());
            writer.end();
        }
        try (FileChannel in = FileChannel.open(file);
                SaveReader reader = new SaveReader(in)) {
            reader.guest(FileContents.NONE);
            reader.state().readAllBytes();
            try (SavedPages found = reader.findRam(in, ram.pages().byteSize())) {
                return new SavedMemory(file, found.start());
            }
        }
    }

    /// Lets it come.
    LateRam bring(PageService service, LateMemory into, boolean shares) throws IOException {
        return service.bring(
                "web", into, shares, UserFaultFd.open(), HostFile.open(file, Set.of()), start);
    }
}
