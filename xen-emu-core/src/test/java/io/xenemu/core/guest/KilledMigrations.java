package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.kvm.testing.Eventually;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Migrations of a guest between two processes, of which one is killed on the way and started again. Whatever is left
/// then, an operator who looks at both sides gets one copy that runs and has all that it had written; or none, where
/// the process was killed that had the only one.
final class KilledMigrations implements AutoCloseable {
    private static final int PAGE = 4096;
    private static final String GUEST = "web";

    private static final String NOTHING = "";
    private static final String FAILED = "failed";
    private static final String UNDECIDED = "undecided";
    private static final String DONE = "done";

    /// Bytes of a message without a body.
    private static final int MESSAGE = 16;

    /// The longest time from the point to the kill, so that the decision is being written.
    private static final long MAX_DELAY_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

    /// The steps after which a guest is known to run.
    private static final int STEPS = 10;

    private final Path folder;
    private final Random random;
    private final List<KillableService> services = new ArrayList<>();
    private final GuestAccount account;

    /// Where the guest is.
    private int source;

    /// Bytes of a migration to its end, and those that accept the guest.
    private final long sent;

    private final long accept;
    private int carriers;

    /// The point at which a process is killed.
    private enum Point {
        /// When some of the source's bytes have passed.
        STREAM,
        /// When some of the target's messages have passed.
        ANSWERS,
        /// After the target is ready: the source writes its decision.
        READY,
        /// Within the source's word that the target runs the guest.
        GO,
        /// After the target has said that it runs the guest.
        RUNNING
    }

    private static final List<Point> POINTS = List.of(Point.values());

    /// What both sides said, before anybody decided.
    ///
    /// @param survivor the phase at the side that was not killed
    /// @param records the decisions that the source has on its disk
    private record Left(Point point, boolean isSource, String survivor, int records) {}

    /// @param folder empty
    KilledMigrations(Path folder, long seed) throws Exception {
        this.folder = folder;
        random = new Random(seed);
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
        Files.write(folder.resolve("disk"), new byte[PAGE]);
        account = new GuestAccount(folder.resolve("account"));
        boolean done = false;
        try {
            services.add(new KillableService(folder, 0));
            services.add(new KillableService(folder, 1));
            services.getFirst().create();
            awaitRuns(0);
            try (TestCarrier carrier = carrier()) {
                FutureTask<@Nullable HostException> target = receive(carrier);
                assertEquals(null, migrate(carrier).get());
                assertEquals(null, target.get());
                sent = carrier.toTarget.get();
                accept = carrier.toSource.get() - 2 * MESSAGE;
            }
            source = 1;
            awaitRuns(1);
            assertWhole();
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    private TestCarrier carrier() throws IOException {
        return new TestCarrier(
                Files.createDirectory(folder.resolve("c" + carriers++)), TestCarrier.Fault.NONE);
    }

    private FutureTask<@Nullable HostException> migrate(TestCarrier carrier) {
        return says(
                source, "migrate", GUEST, "other", "socket=" + carrier.source().path().toString());
    }

    private FutureTask<@Nullable HostException> receive(TestCarrier carrier) {
        return says(1 - source, "migrate-receive", "socket=" + carrier.target().path().toString());
    }

    /// Runs a command.
    ///
    /// @return gives its failure; null for none
    private FutureTask<@Nullable HostException> says(int side, String... words) {
        KillableService service = services.get(side);
        FutureTask<@Nullable HostException> task =
                new FutureTask<>(() -> {
                    try {
                        List<String> _ = service.says(words);
                        return null;
                    } catch (HostException e) {
                        return e;
                    }
                });
        Thread.ofPlatform().daemon().start(task);
        return task;
    }

    /// Migrates the guest, kills a process at a random point, starts it again, and decides as an operator would.
    ///
    /// @return what it was
    String play() throws Exception {
        Point point = POINTS.get(random.nextInt(POINTS.size()));
        boolean isSource = random.nextBoolean();
        int victim = isSource ? source : 1 - source;
        long moves = account.moves();
        Left left;
        try (TestCarrier carrier = carrier()) {
            KillableService killed = services.get(victim);
            long delay = random.nextLong(MAX_DELAY_NANOS);
            killAt(
                    carrier,
                    point,
                    () -> {
                        LockSupport.parkNanos(delay);
                        killed.kill();
                    });
            FutureTask<@Nullable HostException> target = receive(carrier);
            FutureTask<@Nullable HostException> moved = migrate(carrier);
            // Its command ends whichever process is killed. The point may not have been reached.
            HostException failure = moved.get();
            killed.kill();
            String survivor = isSource ? atTarget(target) : atSource(failure);
            left = new Left(point, isSource, survivor, records(source));
        }
        services.set(victim, new KillableService(folder, victim));
        try {
            decide(left, account.moves() - moves);
        } catch (AssertionError | HostException e) {
            throw new AssertionError(left.toString(), e);
        }
        return left.toString();
    }

    private String atSource(@Nullable HostException failure) throws HostException {
        return failure == null ? DONE : phase(source);
    }

    /// A target that waits for an operator has not answered its command.
    private String atTarget(FutureTask<@Nullable HostException> target) throws Exception {
        Eventually.holds("it knows", () -> target.isDone() || phase(1 - source).equals(UNDECIDED));
        if (!target.isDone()) {
            return UNDECIDED;
        }
        return target.get() == null ? DONE : FAILED;
    }

    private void killAt(TestCarrier carrier, Point point, Runnable kill) {
        switch (point) {
            case STREAM -> carrier.whenPassed(true, random.nextLong(sent), kill);
            case ANSWERS -> carrier.whenPassed(false, random.nextLong(accept), kill);
            case READY -> carrier.whenPassed(false, accept + MESSAGE, kill);
            case GO -> {
                int part = 1 + random.nextInt(MESSAGE - 1);
                carrier.whenPassed(
                        false,
                        accept + MESSAGE - 1,
                        () -> carrier.whenPassed(true, carrier.toTarget.get() + part, kill));
            }
            case RUNNING ->
                    carrier.whenPassed(false, accept + MESSAGE + 1 + random.nextInt(MESSAGE), kill);
        }
    }

    /// The phase of the last migration at a side; nothing if it knows of none.
    private String phase(int side) throws HostException {
        String row = services.get(side).migration();
        if (row.isEmpty()) {
            return NOTHING;
        }
        int from = row.indexOf(": ") + 2;
        int to = from;
        while (to < row.length() && Character.isLetter(row.charAt(to))) {
            to++;
        }
        return row.substring(from, to);
    }

    private int records(int side) throws IOException {
        Path records = FakeDaemon.records(folder, KillableService.name(side));
        if (!Files.exists(records)) {
            return 0;
        }
        try (Stream<Path> all = Files.list(records)) {
            return Math.toIntExact(
                    all.filter(file -> !file.toString().endsWith(".partial")).count());
        }
    }

    private void decide(Left left, long moved) throws Exception {
        // Only the target may have begun to run it, and then the source does not.
        assertTrue(moved <= 1, "it has run at both sides");
        if (left.isSource()) {
            sourceIsLost(left);
        } else {
            targetIsLost(left, moved);
        }
        Eventually.holds("no decision is open", () -> records(0) + records(1) == 0);
        awaitRuns(source);
        assertWhole();
    }

    /// Only the target can have a copy.
    private void sourceIsLost(Left left) throws Exception {
        assertEquals(left.records() == 0 ? NOTHING : UNDECIDED, phase(source));
        if (left.point() == Point.GO && left.survivor().equals(DONE)) {
            assertEquals(1, left.records(), "the target was told, and nothing is written");
        }
        switch (left.survivor()) {
            case FAILED -> {
                assertEquals(0, left.records(), "it was decided before the target was ready");
                bootAgain();
                return;
            }
            case UNDECIDED -> {
                assertStandsStill(1 - source);
                List<String> _ = services.get(1 - source).says("migrate-resolve", GUEST, "run");
            }
            default -> awaitRuns(1 - source);
        }
        if (left.records() > 0) {
            KillableService again = services.get(source);
            assertThrows(HostException.class, () -> again.says("migrate-resolve", GUEST, "run"));
            List<String> _ = again.says("migrate-resolve", GUEST, "destroy");
        }
        source = 1 - source;
    }

    /// Only the source can have a copy.
    private void targetIsLost(Left left, long moved) throws Exception {
        assertEquals(NOTHING, phase(1 - source));
        switch (left.survivor()) {
            case FAILED -> {
                assertEquals(0, moved, "the target has run it without a decision");
                assertEquals(0, left.records());
            }
            case UNDECIDED -> {
                assertEquals(1, left.records());
                assertStandsStill(source);
                List<String> _ = services.get(source).says("migrate-resolve", GUEST, "run");
            }
            default -> {
                assertEquals(0, left.records());
                bootAgain();
            }
        }
    }

    /// The process that had the guest was killed.
    private void bootAgain() throws Exception {
        for (KillableService service : services) {
            assertEquals(List.of(), service.says("list").stream().skip(1).toList());
        }
        services.get(source).create();
    }

    private void awaitRuns(int side) {
        long from = account.steps(side);
        long other = account.steps(1 - side);
        Eventually.holds("it runs", () -> account.steps(side) > from + STEPS);
        assertEquals(other, account.steps(1 - side), "it runs at both sides");
    }

    /// Nobody runs it as long as nobody decides.
    private void assertStandsStill(int side) throws HostException {
        long steps = account.steps(side);
        // Its vCPUs would have run meanwhile.
        List<String> _ = services.get(side).says("list");
        assertEquals(steps, account.steps(side));
    }

    private void assertWhole() {
        assertEquals(0, account.wrongPages(), "pages are wrong");
        assertEquals(0, account.withoutDisk(), "it has run where its disk was not open");
    }

    @Override
    public void close() {
        services.forEach(KillableService::close);
        account.close();
    }

    /// Plays so many kills, and prints what was left after each. The folder stays if one fails.
    ///
    /// @param args how many, and the seed
    public static void main(String[] args) throws Exception {
        Path folder = Files.createTempDirectory("killed-migrations");
        System.out.println("seed " + args[1] + ", in " + folder);
        try (KilledMigrations migrations = new KilledMigrations(folder, Long.parseLong(args[1]))) {
            for (int i = 0; i < Integer.parseInt(args[0]); i++) {
                System.out.println(i + " " + migrations.play());
            }
        }
        MoreFiles.deleteRecursively(folder, RecursiveDeleteOption.ALLOW_INSECURE);
    }
}
