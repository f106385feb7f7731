package io.xenemu.core.coredump;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.domain.VcpuRegisters;
import io.xenemu.core.host.WorkProgress;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;

/// A core dump of a domain: its vCPUs' registers, and its memory as the guest sees it. Mapped pages of other domains
/// are left out, since they are their owners' secrets; the RAM beneath them is dumped instead.
public final class CoreDump {
    /// Bytes per read(2): few beside a guest's memory, and enough that the cost of the calls does not count.
    private static final int CHUNK = 1 << 20;

    private static final long PAGE = GuestMemoryMap.PAGE_SIZE;

    private final Domain domain;
    private final WorkProgress progress;
    private final BooleanSupplier ending;

    /// @param domain the domain, which the caller keeps from being closed meanwhile
    /// @param ending whether the domain is about to be closed, so that the dump has to end
    public CoreDump(Domain domain, WorkProgress progress, BooleanSupplier ending) {
        this.domain = domain;
        this.progress = progress;
        this.ending = ending;
    }

    /// Writes the dump. If that fails, an earlier file of that name stays as it was, and no new one is left.
    ///
    /// @param file the file to write, in a folder that exists
    /// @return false if the dump was cancelled, or the domain is about to be closed
    /// @throws IOException if the file cannot be written
    public boolean write(Path file) throws IOException {
        NavigableMap<Long, MemorySegment> placed = placed();
        List<CoreRange> ranges = CoreRange.all(domain.memoryMap(), placed);
        List<VcpuRegisters> vcpus = domain.vcpus().stream().map(Vcpu::registers).toList();
        ElfCore core = new ElfCore(ranges, CoreNotes.of(vcpus));
        progress.begin(core.loads().stream().mapToLong(ElfCore.Load::length).sum());
        try (CoreFile to = new CoreFile(file, core.size())) {
            to.write(core.head(), 0);
            boolean all = writeMemory(ranges, placed, core, to);
            if (all) {
                to.complete();
            }
            return all;
        }
    }

    /// Pages to copy over the RAM of their frames: the special pages, and pages of RAM that the guest has moved to
    /// other frames.
    private NavigableMap<Long, MemorySegment> placed() {
        NavigableMap<Long, MemorySegment> placed = new TreeMap<>();
        int fixed = Math.toIntExact(GuestMemoryMap.SPECIAL_SIZE / PAGE);
        for (int page = 0; page < fixed; page++) {
            placed.put(GuestMemoryMap.SPECIAL_START / PAGE + page, domain.special().page(page));
        }
        placed.putAll(domain.memory().shownPages());
        return placed;
    }

    private boolean writeMemory(
            List<CoreRange> ranges,
            NavigableMap<Long, MemorySegment> placed,
            ElfCore core,
            CoreFile to)
            throws IOException {
        ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK);
        long done = 0;
        try (FileChannel ram = domain.memory().readRam()) {
            for (int i = 0; i < ranges.size(); i++) {
                CoreRange range = ranges.get(i);
                for (long at = 0; at < range.length(); at += chunk.limit()) {
                    if (ending.getAsBoolean() || progress.isCancelled()) {
                        return false;
                    }
                    chunk.clear().limit(Math.toIntExact(Math.min(CHUNK, range.length() - at)));
                    if (range.ram() != CoreRange.NO_RAM) {
                        read(ram, range.ram() + at, chunk);
                    }
                    place(placed, range.start() + at, chunk);
                    to.writePages(chunk, core.loads().get(i).offset() + at);
                    done += chunk.limit();
                    progress.at(done);
                }
            }
        }
        return true;
    }

    /// Reads RAM with read(2). Reading it through the mapping would make the host allocate every page that the guest
    /// has never touched.
    private static void read(FileChannel from, long offset, ByteBuffer chunk) throws IOException {
        while (chunk.hasRemaining()) {
            int count = from.read(chunk, offset + chunk.position());
            if (count < 0) {
                throw new IOException("the guest's memory ends at %#x".formatted(offset));
            }
        }
    }

    /// Copies placed pages over the RAM that was read.
    private static void place(
            NavigableMap<Long, MemorySegment> placed, long start, ByteBuffer chunk) {
        MemorySegment memory = MemorySegment.ofBuffer(chunk.rewind());
        placed.subMap(start / PAGE, (start + chunk.limit()) / PAGE)
                .forEach((gfn, page) -> memory.asSlice(gfn * PAGE - start, PAGE).copyFrom(page));
    }
}
