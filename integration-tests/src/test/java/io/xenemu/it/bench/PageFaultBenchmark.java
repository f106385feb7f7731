package io.xenemu.it.bench;

import io.xenemu.core.paging.PageService;
import io.xenemu.kvm.memory.UserFaultFd;
import io.xenemu.kvm.socket.MessageSocket;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.LongStream;

/// Waiting for pages of a guest that comes by post-copy. No KVM, no lab; needs the right to use userfaultfd, and gcc.
///
/// 1. A thread waits for pages one after the other, in random order: the page server of the service, and one in C
///    (`src/peers/pageserver.c`), in turn. Both have the same source, in this process, which sends what it is asked
///    for.
/// 2. Some threads wait for pages that take half a second each, while this JVM collects garbage five times a second.
///    The longest time for which a thread that only counts stood still, beside that without waiting threads.
///
/// Arguments, optional: PAGES of a round (5000), ROUNDS (7).
public final class PageFaultBenchmark {
    private static final int PAGE = 4096;
    private static final Path SOURCE = Path.of("src/peers/pageserver.c");
    private static final Duration LIMIT = Duration.ofSeconds(30);
    private static final Duration SLOW = Duration.ofMillis(500);
    private static final Duration COLLECTED_EVERY = Duration.ofMillis(200);
    private static final Duration WINDOW = Duration.ofSeconds(5);
    private static final int WAITING = 4;
    private static final double NANOS_OF_A_MICROSECOND = 1e3;
    private static final double NANOS_OF_A_MILLISECOND = 1e6;

    private final int pages;
    private final Path folder;
    private final Path program;
    private final PageService service = new PageService();

    /// Waits for a page.
    @FunctionalInterface
    private interface Wait {
        void page(int number);
    }

    private PageFaultBenchmark(int pages, Path folder) throws IOException, InterruptedException {
        this.pages = pages;
        this.folder = folder;
        program = folder.resolve("pageserver");
        List<String> gcc =
                List.of("gcc", "-O2", "-msse4.2", "-o", program.toString(), SOURCE.toString());
        if (new ProcessBuilder(gcc).inheritIO().start().waitFor() != 0) {
            throw new IOException("gcc has failed");
        }
    }

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws Exception {
        int pages = args.length > 0 ? Integer.parseInt(args[0]) : 5000;
        int rounds = args.length > 1 ? Integer.parseInt(args[1]) : 7;
        Path folder = Files.createTempDirectory("page-fault-benchmark");
        PageFaultBenchmark benchmark = new PageFaultBenchmark(pages, folder);
        benchmark.faults(rounds);
        benchmark.pauses(rounds);
        benchmark.service.close();
        System.exit(0);
    }

    private void faults(int rounds) throws Exception {
        List<long[]> ours = new ArrayList<>();
        List<long[]> theirs = new ArrayList<>();
        for (int round = 0; round <= rounds; round++) {
            long[] our = inJava();
            long[] their = inC();
            // The first round warms up.
            if (round > 0) {
                ours.add(our);
                theirs.add(their);
            }
        }
        System.out.println("a wait for a page, in us       p50      p99     p99.9");
        double java = print("the service's page server", ours);
        double c = print("one in C", theirs);
        System.out.printf(Locale.ROOT, "p99: %.2f x C%n", java / c);
    }

    /// @return the median of the rounds' p99
    private static double print(String name, List<long[]> rounds) {
        double p99 = of(rounds, 0.99);
        System.out.printf(
                Locale.ROOT,
                "%-26s %8.1f %8.1f %8.1f%n",
                name,
                of(rounds, 0.5),
                p99,
                of(rounds, 0.999));
        return p99;
    }

    private static double of(List<long[]> rounds, double part) {
        return Samples.median(
                rounds.stream()
                        .mapToDouble(sorted ->
                                sorted[(int) (sorted.length * part)] / NANOS_OF_A_MICROSECOND));
    }

    private long[] inJava() throws Exception {
        try (AnsweringSource source = new AnsweringSource(folder, Duration.ZERO);
                LateBenchmarkMemory memory = LateBenchmarkMemory.ofPeer((long) pages * PAGE)) {
            var _ = memory.bringFromPeer(service, source.link());
            source.awaitBegin();
            return waits(page -> memory.await((long) page * PAGE));
        }
    }

    private long[] inC() throws Exception {
        Path socket = folder.resolve("service");
        Files.deleteIfExists(socket);
        Process server = null;
        try (AnsweringSource source = new AnsweringSource(folder, Duration.ZERO);
                LateBenchmarkMemory memory = LateBenchmarkMemory.ofPeer((long) pages * PAGE);
                UserFaultFd faults = UserFaultFd.open();
                MessageSocket.Listener listener = MessageSocket.Listener.bind(socket, LIMIT)) {
            faults.register(memory.all());
            server = new ProcessBuilder(program.toString(), socket.toString()).inheritIO().start();
            try (MessageSocket connection = Objects.requireNonNull(listener.accept())) {
                long address = memory.all().address();
                ByteBuffer bytes =
                        ByteBuffer.allocate(2 * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                bytes.putLong(address).putLong(pages);
                connection.send(bytes.array(), faults.fd(), source.link().fd());
                var _ = Objects.requireNonNull(connection.receive(), "it has ended");
                return waits(page -> UserFaultFd.populate(address + (long) page * PAGE, 1));
            } finally {
                source.link().close();
            }
        } finally {
            if (server != null) {
                server.destroyForcibly().waitFor();
            }
        }
    }

    /// @return the time of each wait, in ns, the shortest first
    private long[] waits(Wait wait) {
        List<Integer> order = new ArrayList<>();
        for (int page = 0; page < pages; page++) {
            order.add(page);
        }
        Collections.shuffle(order, new Random(1));
        long[] times = new long[pages];
        for (int i = 0; i < pages; i++) {
            long begun = System.nanoTime();
            wait.page(order.get(i));
            times[i] = System.nanoTime() - begun;
        }
        Arrays.sort(times);
        return times;
    }

    private void pauses(int rounds) throws Exception {
        List<Double> with = new ArrayList<>();
        List<Double> without = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            without.add(longestPause() / NANOS_OF_A_MILLISECOND);
            with.add(longestPauseWhileThreadsWait() / NANOS_OF_A_MILLISECOND);
        }
        System.out.println(
                "the longest pause of a thread in 5 s with 25 collections, in ms, by round");
        System.out.println("  without pages to wait for  " + ones(without));
        System.out.println("  4 threads wait for pages   " + ones(with));
    }

    private static String ones(List<Double> values) {
        return String.join(
                " ", values.stream().map(it -> String.format(Locale.ROOT, "%.1f", it)).toList());
    }

    private long longestPauseWhileThreadsWait() throws Exception {
        try (AnsweringSource source = new AnsweringSource(folder, SLOW);
                LateBenchmarkMemory memory = LateBenchmarkMemory.ofPeer((long) pages * PAGE)) {
            var _ = memory.bringFromPeer(service, source.link());
            source.awaitBegin();
            AtomicBoolean done = new AtomicBoolean();
            AtomicLong next = new AtomicLong();
            List<Thread> waiting =
                    LongStream.range(0, WAITING)
                            .mapToObj(_ ->
                                    Thread.ofPlatform()
                                            .daemon()
                                            .start(() -> {
                                                while (!done.get()) {
                                                    memory.await(next.getAndIncrement() * PAGE);
                                                }
                                            }))
                            .toList();
            long longest = longestPause();
            done.set(true);
            for (Thread thread : waiting) {
                thread.join();
            }
            if (next.get() == WAITING) {
                throw new IllegalStateException("no page has come");
            }
            return longest;
        }
    }

    /// The longest time for which this thread stands still while garbage is collected.
    private static long longestPause() throws InterruptedException {
        AtomicBoolean done = new AtomicBoolean();
        Thread collector =
                Thread.ofPlatform()
                        .daemon()
                        .start(() -> {
                            while (!done.get()) {
                                System.gc();
                                try {
                                    Thread.sleep(COLLECTED_EVERY);
                                } catch (InterruptedException e) {
                                    return;
                                }
                            }
                        });
        long end = System.nanoTime() + WINDOW.toNanos();
        long last = System.nanoTime();
        long longest = 0;
        while (last < end) {
            // Not a busy loop, so that the other threads have both cores.
            TimeUnit.MICROSECONDS.sleep(100);
            long now = System.nanoTime();
            longest = Math.max(longest, now - last);
            last = now;
        }
        done.set(true);
        collector.join();
        return longest;
    }
}
