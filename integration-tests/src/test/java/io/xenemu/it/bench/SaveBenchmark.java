package io.xenemu.it.bench;

import com.sun.management.OperatingSystemMXBean;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.migration.FileContents;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.PageEncoding;
import io.xenemu.core.migration.RamCopy;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.SaveReader;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.paging.PageService;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.file.NewFile;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.wire.BodyWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/// Saving and restoring a guest's RAM, beside dd(1) with the same pages. No KVM, no lab.
///
/// The RAM is three parts: the contents of this JDK's file `lib/modules`, zeros that have memory, and holes. dd writes
/// the first part alone. Both sides sync. Before each read the page cache is dropped, if this user may do that.
///
/// Arguments, optional: FOLDER (target), MIB of RAM (1024), ROUNDS (5).
public final class SaveBenchmark {
    private static final int PAGE = 4096;
    private static final int MIB = 1 << 20;
    private static final Path DROP_CACHES = Path.of("/proc/sys/vm/drop_caches");
    private static final double NANOS = 1e9;

    private final Path folder;
    private final Path pages;
    private final PageService service = new PageService();
    private final Map<String, List<Cost>> costs = new TreeMap<>();

    private SaveBenchmark(Path folder) {
        this.folder = folder;
        pages = folder.resolve("save-benchmark.pages");
    }

    /// One run.
    private record Cost(double seconds, double cpu) {}

    @FunctionalInterface
    private interface Work {
        void run() throws IOException, InterruptedException;
    }

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        Path folder = Path.of(args.length > 0 ? args[0] : "target").toAbsolutePath();
        long bytes = (args.length > 1 ? Long.parseLong(args[1]) : 1024) * MIB;
        int rounds = args.length > 2 ? Integer.parseInt(args[2]) : 5;
        SaveBenchmark benchmark = new SaveBenchmark(folder);
        try (MemFd ram = MemFd.createLarge("save-benchmark", bytes);
                PageService _ = benchmark.service) {
            MemorySegment memory = ram.map(0, bytes);
            long written = benchmark.fill(memory);
            // The first round warms the JVM, and is not counted.
            for (int round = 0; round <= rounds; round++) {
                benchmark.round(new RamSource(ram, memory));
                if (round == 0) {
                    benchmark.costs.clear();
                }
            }
            benchmark.print(written);
        } finally {
            for (String name : List.of("pages", "dd", "NONE", "ZSTD")) {
                Files.deleteIfExists(folder.resolve("save-benchmark." + name));
            }
        }
    }

    /// @return bytes of the pages that are not zero
    private long fill(MemorySegment memory) throws IOException {
        Path modules = Path.of(System.getProperty("java.home"), "lib/modules");
        long end = memory.byteSize() / 3 / PAGE * PAGE;
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(modules);
                FileChannel to =
                        FileChannel.open(
                                pages,
                                StandardOpenOption.CREATE,
                                StandardOpenOption.TRUNCATE_EXISTING,
                                StandardOpenOption.WRITE)) {
            long size = channel.size() / PAGE * PAGE;
            MemorySegment source = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            for (long at = 0; at < end; at += PAGE) {
                MemorySegment.copy(source, at % size, memory, at, PAGE);
            }
            for (long at = 0; at < end; at += MIB) {
                to.write(memory.asSlice(at, Math.min(MIB, end - at)).asByteBuffer());
            }
        }
        memory.asSlice(end, end).fill((byte) 0);
        return end;
    }

    private void round(RamSource ram) throws IOException, InterruptedException {
        Path copy = folder.resolve("save-benchmark.dd");
        dd("write", "dd if=%s of=%s bs=1M conv=fsync".formatted(pages, copy), false);
        for (PageEncoding encoding : PageEncoding.values()) {
            measure("save " + encoding, () -> save(ram, encoding));
        }
        // For so long a guest stands still at a checkpoint.
        try (RamCopy moment = RamCopy.begin(ram, new WorkProgress())) {
            measure("save pause", moment::take);
        }
        dd("read", "dd if=%s of=/dev/null bs=1M".formatted(copy), true);
        for (PageEncoding encoding : PageEncoding.values()) {
            try (MemFd restored = MemFd.createLarge("restored", ram.pages().byteSize())) {
                MemorySegment memory = restored.map(0, restored.size());
                dropCaches();
                RamSource target = new RamSource(restored, memory);
                measure("restore " + encoding, () -> restore(target, encoding));
            }
            restoreLazily(ram.pages().byteSize(), encoding);
        }
    }

    /// The time until a page in the middle of the RAM is there, and until all are. The page server runs already.
    private void restoreLazily(long bytes, PageEncoding encoding)
            throws IOException, InterruptedException {
        try (LateBenchmarkMemory memory = new LateBenchmarkMemory(bytes)) {
            dropCaches();
            measure(
                    "restore " + encoding + " lazy",
                    () -> {
                        memory.bring(service, saved(encoding));
                        memory.await(bytes / 6);
                    });
            measure("restore " + encoding + " rest", memory::awaitAll);
        }
    }

    private Path saved(PageEncoding encoding) {
        return folder.resolve("save-benchmark." + encoding);
    }

    private void save(RamSource ram, PageEncoding encoding) throws IOException {
        try (NewFile file = new NewFile(saved(encoding))) {
            SaveWriter writer = new SaveWriter(file.paced(), encoding);
            writer.guest(
                    new GuestSummary(
                            "bench",
                            DomId.of(1),
                            new UUID(1, 2),
                            1,
                            ram.pages().byteSize(),
                            Instant.now()),
                    1,
                    new BodyWriter());
            writer.state(new byte[0]);
            writer.ram(ram, new WorkProgress());
            writer.end();
            file.complete();
        }
    }

    private void restore(RamSource memory, PageEncoding encoding) throws IOException {
        try (FileChannel channel = FileChannel.open(saved(encoding));
                SaveReader reader = new SaveReader(channel)) {
            reader.guest(FileContents.NONE);
            reader.state().readAllBytes();
            reader.ram(memory, new WorkProgress());
            if (reader.guest(FileContents.NONE) != null) {
                throw new IOException("a second guest");
            }
        }
    }

    private void measure(String name, Work work) throws IOException, InterruptedException {
        OperatingSystemMXBean system =
                (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = system.getProcessCpuTime();
        long begun = System.nanoTime();
        work.run();
        add(name, (System.nanoTime() - begun) / NANOS, (system.getProcessCpuTime() - cpu) / NANOS);
    }

    /// Runs dd, and takes the CPU time of it from the shell.
    private void dd(String name, String command, boolean cold)
            throws IOException, InterruptedException {
        if (cold) {
            dropCaches();
        }
        long begun = System.nanoTime();
        Process process =
                new ProcessBuilder("sh", "-c", command + " 2>/dev/null && times")
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        List<String> lines = process.inputReader().lines().toList();
        if (!process.waitFor(1, TimeUnit.HOURS) || process.exitValue() != 0) {
            throw new IOException(command + " failed");
        }
        double seconds = (System.nanoTime() - begun) / NANOS;
        double cpu = 0;
        for (String time : lines.getLast().split(" ", -1)) {
            String[] parts = time.replace("s", "").split("m", -1);
            cpu += Double.parseDouble(parts[0]) * 60 + Double.parseDouble(parts[1]);
        }
        add("dd " + name, seconds, cpu);
    }

    private static void dropCaches() throws IOException {
        if (Files.isWritable(DROP_CACHES)) {
            Files.writeString(DROP_CACHES, "1");
        }
    }

    private void add(String name, double seconds, double cpu) {
        costs.computeIfAbsent(name, _ -> new ArrayList<>()).add(new Cost(seconds, cpu));
    }

    private void print(long written) throws IOException {
        System.out.printf(
                Locale.ROOT,
                "%d MiB of pages that are not zero; ZSTD makes %d MiB of them%s%n",
                written / MIB,
                Files.size(saved(PageEncoding.ZSTD)) / MIB,
                Files.isWritable(DROP_CACHES) ? "" : "; the page cache is warm");
        System.out.printf(
                "%-18s %8s %8s %8s %8s %8s%n", "", "seconds", "CPU", "x dd", "least", "x dd");
        costs.forEach((name, runs) -> {
            String dd = name.contains("restore") || name.contains("read") ? "dd read" : "dd write";
            System.out.printf(
                    Locale.ROOT,
                    "%-18s %8.3f %8.3f %8.2f %8.3f %8.2f%n",
                    name,
                    seconds(name),
                    Samples.median(runs.stream().mapToDouble(Cost::cpu)),
                    seconds(name) / seconds(dd),
                    least(name),
                    least(name) / least(dd));
        });
    }

    /// What others on the machine disturb least.
    private double least(String name) {
        return costs.getOrDefault(name, List.of()).stream()
                .mapToDouble(Cost::seconds)
                .min()
                .orElse(0);
    }

    private double seconds(String name) {
        return Samples.median(
                costs.getOrDefault(name, List.of()).stream().mapToDouble(Cost::seconds));
    }
}
