package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.CpuState;
import io.xenemu.kvm.memory.LinearMemory;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/// A guest that writes to its memory, and two services between which it moves. It keeps an account of its own of what
/// it has written, and of where it has run last.
final class MigratedGuest extends TwoSides {
    private static final int PAGE = 4096;

    private static final String NEIGHBOUR = "neighbour";

    /// Pages that the guest writes to, from the first of them on.
    private static final int FIRST = 600;

    private static final int PAGES = 400;

    final Domain domain;
    private final boolean hasDisk;
    private final @Nullable OwnStorage storage;
    private final Random random = new Random(1);

    /// What is in the first word of each of these pages.
    private final AtomicLongArray account = new AtomicLongArray(PAGES);

    private volatile boolean hasRunAtB;
    private volatile boolean hasRunTwice;
    private volatile boolean hasRunWithoutDisk;
    private volatile boolean movesBack;
    private final AtomicLong steps = new AtomicLong();
    private volatile int writesPerStep = 20;
    private volatile boolean hasTimeArea;

    MigratedGuest(Path folder) throws Exception {
        this(folder, true);
    }

    MigratedGuest(Path folder, boolean hasDisk) throws Exception {
        this(folder, hasDisk, null);
    }

    /// A guest that writes to its disk too, between services of which each has its own storage.
    static MigratedGuest ofOwnStorage(Path folder) throws Exception {
        return new MigratedGuest(folder, true, new OwnStorage(folder));
    }

    private MigratedGuest(Path folder, boolean hasDisk, @Nullable OwnStorage storage)
            throws Exception {
        super(folder);
        this.hasDisk = hasDisk;
        this.storage = storage;
        a.domains().runs(running -> step(a, running));
        b.domains().runs(running -> step(b, running));
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
        if (storage == null) {
            Files.write(disk(), new byte[PAGE]);
        } else {
            disksB.live(storage.begin());
        }
        guestsA.create(hasDisk ? request() : diskless(), false);
        domain = a.next();
    }

    /// Its disk, which both services see.
    Path disk() {
        return folder.resolve("disk");
    }

    /// The storage of the services, if each has its own.
    OwnStorage storage() {
        return Objects.requireNonNull(storage);
    }

    private GuestRequest request() throws Refused {
        return request(List.of(DiskSpec.parse(List.of(disk() + ",raw,xvda,rw"))));
    }

    /// A guest of the same name, without a disk.
    GuestRequest diskless() {
        return request(List.of());
    }

    private GuestRequest request(List<DeviceSpec> devices) {
        DomainConfig config = WebGuest.config(2);
        return new GuestRequest(
                config,
                2,
                folder.resolve("kernel"),
                List.of(),
                "",
                new PlatformSettings(GenerationId.random(), 7, false),
                EndActions.ONCE,
                devices,
                true,
                EngineMap.DEFAULT,
                null,
                null);
    }

    /// Lets the guest also run whenever the source has taken pages out of its log, so that no round is without writes.
    void alwaysWrites() {
        a.domains()
                .vm(domain)
                .whenForgotten(() -> {
                    if (!domain.vcpus().getFirst().isHeld()) {
                        step(a, domain);
                    }
                });
    }

    /// The guest's program.
    private synchronized void step(FakeHypervisor where, Domain running) {
        if (running.config().name().equals(NEIGHBOUR)) {
            return;
        }
        if (where == b) {
            hasRunAtB = true;
        } else if (hasRunAtB && !movesBack) {
            hasRunTwice = true;
        }
        if (hasDisk && (where == a ? disksA : disksB).open() != 1) {
            hasRunWithoutDisk = true;
        }
        if (storage != null) {
            storage.write((where == a ? disksA : disksB).observedDisks());
        }
        steps.incrementAndGet();
        for (int i = 0; i < writesPerStep; i++) {
            int page = hasTimeArea && i == 0 ? 0 : random.nextInt(PAGES);
            long value = account.get(page) + 1;
            GuestAccount.write(where, running, FIRST + page, value);
            account.set(page, value);
        }
    }

    /// Lets KVM write the second time area of its first vCPU into a page that the guest writes to in each round.
    void registersTimeArea() throws XenError {
        hasTimeArea = true;
        alwaysWrites();
        LinearMemory unpaged = new LinearMemory(domain.memory().guest(), new Unpaged());
        domain.vcpus().getFirst().areas().registerTime(unpaged, FIRST * PAGE + PAGE / 2);
    }

    private record Unpaged() implements CpuState {
        @Override
        public long cr0() {
            return 0;
        }

        @Override
        public long cr3() {
            return 0;
        }

        @Override
        public long cr4() {
            return 0;
        }

        @Override
        public long efer() {
            return 0;
        }

        @Override
        public boolean longMode() {
            return false;
        }
    }

    /// Another guest of the first service.
    Domain neighbour() throws Exception {
        guestsA.create(request().sibling(NEIGHBOUR, folder.resolve("kernel").toString()), false);
        return a.next();
    }

    /// Lets the guest write more or less.
    void writes(int perStep) {
        writesPerStep = perStep;
    }

    /// Waits until it has run for some steps more.
    void awaitSteps() {
        long from = steps.get();
        Eventually.holds("it runs", () -> steps.get() > from + 3);
    }

    /// Moves the guest over a carrier.
    ///
    /// @return the failure of the source and of the target; null for none
    List<Throwable> migrate(TestCarrier carrier, MigrationOptions options) throws Exception {
        FutureTask<String> target = begun(() -> guestsB.receive(carrier.target(), "host a"));
        FutureTask<Migration.Status> source =
                begun(() ->
                        guestsA.migrate(
                                List.of(domain), carrier.source(), "host b", options, _ -> {}));
        return failures(source, target);
    }

    /// Moves the guest over several carriers.
    ///
    /// @param further beside the main one
    /// @return as [#migrate]
    List<Throwable> migrate(
            TestCarrier carrier, List<TestCarrier> further, MigrationOptions options)
            throws Exception {
        FutureTask<String> target = begun(() -> guestsB.receive(carrier.target(), "host a"));
        List<FutureTask<String>> others =
                further.stream()
                        .map(one -> begun(() -> guestsB.receive(one.target(), "host a")))
                        .toList();
        FutureTask<Migration.Status> source =
                begun(() ->
                        guestsA.migrate(
                                List.of(domain),
                                carrier.source(),
                                further.stream().map(TestCarrier::source).toList(),
                                "host b",
                                options.withStreams(further.size() + 1),
                                _ -> {}));
        List<Throwable> failures = failures(source, target);
        if (target.isDone()) {
            for (FutureTask<String> other : others) {
                // One that the source has never used ends with its connection.
                Throwable _ = failure(other);
            }
        }
        return failures;
    }

    /// Moves the guest from the second service to the first one.
    List<Throwable> moveBack(Domain there, TestCarrier carrier, MigrationOptions options)
            throws Exception {
        movesBack = true;
        FutureTask<String> target = begun(() -> guestsA.receive(carrier.target(), "host b"));
        FutureTask<Migration.Status> source =
                begun(() ->
                        guestsB.migrate(
                                List.of(there), carrier.source(), "host a", options, _ -> {}));
        return Arrays.asList(failure(source), failure(target));
    }

    /// Lets the pages that are missing follow over another carrier.
    ///
    /// @return as [#migrate]
    List<Throwable> recover(TestCarrier carrier) throws Exception {
        FutureTask<String> target = begun(() -> guestsB.receive(carrier.target(), "host a"));
        FutureTask<Migration.Status> source =
                begun(() -> guestsA.recover("web", carrier.source(), "host b", _ -> {}));
        Throwable atSource = failure(source);
        // Without a migration to recover, nobody connects.
        carrier.cut();
        return Arrays.asList(atSource, failure(target));
    }

    /// Lets operators decide after a migration with a fault, where a service cannot know.
    ///
    /// @param failures of the migration
    /// @param atSource where the guest is to run if nobody runs it
    /// @return whether it runs at the source; otherwise it does at the target
    boolean settle(List<Throwable> failures, boolean atSource) throws Refused {
        boolean isHere = guestsA.state("web") == GuestState.RUNNING;
        if (isUndecidedAtA()) {
            assertNotNull(failures.getFirst());
            assertFalse(isHere);
            boolean isNowhere = isWaiting();
            isHere = isNowhere ? atSource : !isDoneAtB();
            if (isNowhere) {
                // The operator looks at both, and chooses.
                assertFalse(hasRunAtB);
                decide(guestsB, !isHere);
            }
            decide(guestsA, isHere);
        } else if (isHere) {
            assertNotNull(failures.getFirst());
            if (isWaiting()) {
                decide(guestsB, false);
            }
        }
        return isHere;
    }

    private static void decide(HostedGuests guests, boolean runs) throws Refused {
        guests.migrations()
                .resolve("web", runs ? Migration.Resolution.RUN : Migration.Resolution.DESTROY);
    }

    /// Whether the target runs it.
    boolean isDoneAtB() {
        return guestsB.migrations().list().stream()
                .anyMatch(it -> it.phase() == MigrationPhase.DONE);
    }

    /// Checks that the guest runs in this domain, with all that it has written.
    void assertWhole(Domain running) throws Refused, InterruptedException {
        awaitSteps();
        running.memory().awaitAll();
        running.hold();
        try {
            MemorySegment ram = running.memory().ram();
            for (int page = 0; page < PAGES; page++) {
                assertEquals(
                        account.get(page),
                        ram.get(ValueLayout.JAVA_LONG, (long) (FIRST + page) * PAGE),
                        "page " + page);
            }
        } finally {
            running.release();
        }
        assertFalse(hasRunTwice, "it has run at both sides");
        assertFalse(hasRunWithoutDisk, "it has run where its disk was not open and locked");
    }

    boolean hasRunAtB() {
        return hasRunAtB;
    }

    boolean hasRunTwice() {
        return hasRunTwice;
    }
}
