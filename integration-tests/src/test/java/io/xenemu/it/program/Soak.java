package io.xenemu.it.program;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.BootDisk;
import io.xenemu.it.fixture.BootLoad;
import io.xenemu.it.fixture.DebianDisk;
import io.xenemu.it.fixture.DiskFeatures;
import io.xenemu.it.fixture.DiskHotplugLoad;
import io.xenemu.it.fixture.DiskLoad;
import io.xenemu.it.fixture.EventChannelLoad;
import io.xenemu.it.fixture.HostileFronts;
import io.xenemu.it.fixture.HostileNeighbours;
import io.xenemu.it.fixture.ImportLoad;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabProgram;
import io.xenemu.it.fixture.MigrateLoad;
import io.xenemu.it.fixture.NetHotplugLoad;
import io.xenemu.it.fixture.P9Load;
import io.xenemu.it.fixture.PeerFronts;
import io.xenemu.it.fixture.RemoteLinesLoad;
import io.xenemu.it.fixture.SaveLoad;
import io.xenemu.it.fixture.SuspendLoad;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.fixture.UnmodifiedGuest;
import io.xenemu.it.fixture.UpgradeLoad;
import io.xenemu.it.fixture.XenStoreLoad;
import io.xenemu.it.lab.JavaCommand;
import io.xenemu.it.lab.Lab;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Plays what lab tests do a few times, for as long as one wants: `integration-tests/bin/soak --help`. Ends with 0,
/// with 1 at the first round that fails, whose log it keeps, and with 2 for a command line that is wrong.
public final class Soak implements AutoCloseable {
    private static final String ALL = "all";
    private static final int XENSTORE_SECONDS = 60;
    private static final int HOTPLUG_CYCLES = 12;
    private static final int SUSPENDS = 100;
    private static final int SAVES = 20;
    private static final int MIGRATIONS = 10;
    private static final int POST_COPIES = 20;

    /// An odd number: the guest ends where its disk is a copy.
    private static final int STORAGE_MOVES = 3;

    private static final int UPGRADES = 4;
    private static final int SECOND_PORT = 9108;
    private static final int P9_OPERATIONS = 10_000;
    private static final int P9_PROCESSES = 4;

    /// Commands that make them: on a loaded machine a single one takes longer than a test waits for a command.
    private static final int P9_COMMANDS = 5;

    private static final int P9_ROUNDS = 200;
    private static final int INTERFACES = 100;
    private static final int PLUGS = 100;

    /// Of each device, in a round: as many as a guest does within the time that a command in the lab has.
    private static final int CONNECTS = 100;

    private static final int FILE_PROCESSES = 4;
    private static final int SERVER_KILLS = 4;
    private static final int FILE_CHANGES = 500;

    private static final String DEBIAN_MEMORY = "512M";

    /// Random calls of a round: a million in the rounds of [#LOADS].
    private static final int LAB_CALLS = 50_000;

    /// Calls on the fake in this process, for a hundred million.
    private static final int FAKE_CALLS = 1_000_000;

    /// Attacks of one guest, which is another one in each round.
    private static final int ATTACKS = 20;

    private static final int LINE_INTERRUPTS = 100_000;
    private static final int LINE_KILLS = 100;

    /// Of the services of a migration, in a round.
    private static final int KILLS = 200;

    private static final String KILLED = "io.xenemu.core.guest.KilledMigrations";

    private static final String FUZZ = "io.xenemu.core.hypercall.HypercallFuzz";

    /// The work of one round.
    private interface Round {
        void play(Soak soak) throws Exception;
    }

    /// Something to play.
    ///
    /// @param rounds how many, where the command line does not say
    private record Load(String name, int rounds, String description, Round round) {}

    private static final List<Load> LOADS =
            List.of(
                    new Load(
                            "boots",
                            20,
                            "a Linux guest with two vCPUs boots and powers off",
                            soak -> BootLoad.once(soak.daemon())),
                    new Load(
                            "rings",
                            10,
                            "two guests ring each other 102,000 times; then 500 times while a port moves",
                            Soak::rings),
                    new Load(
                            "attack",
                            10,
                            "a guest attacks another one's grants; each round has its own random seed",
                            Soak::attack),
                    new Load(
                            "xenstore",
                            10,
                            "eight processes of a Linux guest and the host use XenStore for a minute",
                            soak -> XenStoreLoad.run(soak.daemon(), XENSTORE_SECONDS)),
                    new Load(
                            "cpus",
                            5,
                            "three CPUs of a Linux guest go and come 12 times, on each event channel ABI",
                            Soak::cpus),
                    new Load(
                            "suspend",
                            1,
                            "a Linux guest with two vCPUs suspends 100 times, and is resumed",
                            soak -> SuspendLoad.run(soak.daemon(), SUSPENDS)),
                    new Load(
                            "save",
                            5,
                            "a Linux guest with two vCPUs is saved and restored 20 times while it works; each round has the other event channel ABI",
                            Soak::saves),
                    new Load(
                            "migrate",
                            5,
                            "a Linux guest with a raw and a qcow2 disk and an interface moves between two daemons 10 times while it works",
                            soak -> soak.migrate(MigrateLoad.Move.LIVE, MIGRATIONS)),
                    new Load(
                            "postcopy",
                            1,
                            "the same guest moves 20 times, and its pages follow it",
                            soak -> soak.migrate(MigrateLoad.Move.POST_COPY, POST_COPIES)),
                    new Load(
                            "storage",
                            1,
                            "a Linux guest moves with its raw disk 3 times between two daemons, of which each has its own",
                            Soak::storage),
                    new Load(
                            "upgrade",
                            5,
                            "a daemon is upgraded 4 times while a Linux guest with a raw and a qcow2 disk and an interface works, and once with a mounted share",
                            Soak::upgrade),
                    new Load(
                            "import",
                            5,
                            "a Linux guest goes on from an image as real Xen would have saved it",
                            soak -> ImportLoad.run(soak.daemon())),
                    new Load(
                            "xen",
                            1,
                            "a Linux guest goes on from an image of real Xen; needs Debian 12's QEMU and some minutes",
                            soak -> ImportLoad.ofXen(soak.daemon())),
                    new Load(
                            "p9",
                            1,
                            "a Linux guest makes 10,000 random file operations, and mounts a share 200 times",
                            Soak::shares),
                    new Load(
                            "interfaces",
                            1,
                            "a Linux guest's network interface goes and comes 100 times while it sends",
                            Soak::interfaces),
                    new Load(
                            "features",
                            1,
                            "a Linux guest negotiates each feature of a disk, on and off",
                            soak -> DiskFeatures.run(soak.daemon())),
                    new Load(
                            "plugs",
                            1,
                            "a Linux guest's disk goes and comes 100 times while it reads and writes",
                            soak -> DiskHotplugLoad.alone(soak.daemon(), PLUGS)),
                    new Load(
                            "files",
                            6,
                            "eight processes of a Linux guest sync files; qemu-nbd is killed 4 times, and then the guest",
                            Soak::files),
                    new Load(
                            "guests",
                            1,
                            "each guest of Debian's packages boots, and shows that it works",
                            Soak::unmodified),
                    new Load(
                            "disk",
                            1,
                            "a Debian disk boots by its own GRUB, and reboots into a new kernel; needs root and mmdebstrap",
                            soak ->
                                    DebianDisk.get(soak.lab().images())
                                            .play(
                                                    soak.daemon(),
                                                    BootDisk.Format.QCOW2,
                                                    DEBIAN_MEMORY)),
                    new Load(
                            "calls",
                            20,
                            "guests make 50,000 random hypercalls from two vCPUs beside a working Linux guest",
                            Soak::calls),
                    new Load(
                            "hostile",
                            20,
                            "a front end attacks its devices 20 times in random order; another one ends with all in flight",
                            Soak::hostile),
                    new Load(
                            "peer",
                            1,
                            "hostile front ends of the peer's disk and network interface, which may end it",
                            soak -> PeerFronts.play(soak.lab(), guests())),
                    new Load(
                            "connects",
                            10,
                            "a front end connects and disconnects each of its devices 100 times",
                            Soak::connects),
                    new Load(
                            "lines",
                            1,
                            "two processes share an interrupt line of a guest, which takes 100,000; 100 others on it are killed",
                            Soak::lines),
                    new Load(
                            "kills",
                            1,
                            "a service is killed 200 times while a guest moves to or from it, on the fake VM",
                            Soak::kills),
                    new Load(
                            "fuzz",
                            100,
                            "a million random hypercalls on the fake VM, without a lab machine",
                            Soak::fuzz));

    private final SplittableRandom random = new SplittableRandom();
    private @Nullable LabMachine machine;
    private @Nullable Lab lab;
    private @Nullable LabProgram ringing;
    private @Nullable LabProgram sharing;
    private @Nullable HostileNeighbours neighbours;
    private @Nullable HostileFronts fronts;
    private int saveRounds;

    private Soak() {}

    /// The lab machine, which boots for the first load that needs it.
    private Lab lab() throws IOException, InterruptedException {
        Lab booted = lab;
        if (booted == null) {
            LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
            LabMachine started = LabMachine.boot(images);
            machine = started;
            booted = new Lab(started, images, Path.of("").toAbsolutePath().resolveSibling(""));
            lab = booted;
        }
        return booted;
    }

    private static TestGuests guests() throws IOException, InterruptedException {
        Path module = Path.of("").toAbsolutePath();
        return TestGuests.build(module, module.resolve("target/soak-guests"));
    }

    private LabDaemon daemon() throws IOException, InterruptedException {
        return LabDaemon.shared(lab());
    }

    private void rings() throws IOException, InterruptedException {
        LabProgram program = ringing;
        if (program == null) {
            program = new LabProgram(lab(), RingingGuests.class, guests().ring().toString());
            ringing = program;
        }
        System.out.print(program.play("rate 100000 2000"));
        System.out.print(program.play("moving 500"));
    }

    private void lines() throws IOException, InterruptedException {
        System.out.print(RemoteLinesLoad.run(daemon(), guests(), LINE_INTERRUPTS, LINE_KILLS));
    }

    private void storage() throws IOException, InterruptedException {
        List<MigrateLoad.Move> moves =
                new ArrayList<>(Collections.nCopies(STORAGE_MOVES, MigrateLoad.Move.WITH_STORAGE));
        moves.add(MigrateLoad.Move.UPGRADE);
        MigrateLoad.run(daemon(), SECOND_PORT, moves).forEach(System.out::println);
    }

    private void migrate(MigrateLoad.Move move, int times)
            throws IOException, InterruptedException {
        MigrateLoad.withServer(daemon(), SECOND_PORT, Collections.nCopies(times, move))
                .forEach(System.out::println);
    }

    private void upgrade() throws IOException, InterruptedException {
        LabDaemon first = LabDaemon.start(lab(), "/run/upgraded-daemon", SECOND_PORT);
        UpgradeLoad.run(first, UPGRADES).forEach(System.out::println);
    }

    private void saves() throws IOException, InterruptedException {
        List<SaveLoad.Abi> abis = List.of(SaveLoad.Abi.values());
        SaveLoad.Abi abi = abis.get(saveRounds % abis.size());
        System.out.println(abi);
        SaveLoad.run(List.of(daemon()), abi, SAVES);
        saveRounds++;
    }

    private void interfaces() throws IOException, InterruptedException {
        NetHotplugLoad.alone(daemon(), INTERFACES);
    }

    private void attack() throws IOException, InterruptedException {
        LabProgram program = sharing;
        if (program == null) {
            program = new LabProgram(lab(), SharingGuests.class, guests().share().toString());
            sharing = program;
        }
        String scenario = "attack " + random.nextInt(Integer.MAX_VALUE);
        System.out.println(scenario);
        System.out.print(program.play(scenario));
    }

    private void cpus() throws IOException, InterruptedException {
        for (EventChannelLoad.Abi abi : EventChannelLoad.Abi.values()) {
            EventChannelLoad.run(daemon(), abi, HOTPLUG_CYCLES);
        }
    }

    private void shares() throws IOException, InterruptedException {
        int seed = random.nextInt(1_000_000);
        System.out.println("seed " + seed);
        try (P9Load load = P9Load.boot(daemon())) {
            load.mount("", "");
            for (int i = 0; i < P9_COMMANDS; i++) {
                load.files(
                        P9_PROCESSES,
                        P9_OPERATIONS / P9_COMMANDS / P9_PROCESSES,
                        seed + i * P9_PROCESSES);
            }
            load.unmount();
            load.rounds(P9_ROUNDS);
            load.shell().assertNoComplaint();
        }
    }

    private void files() throws IOException, InterruptedException {
        int seed = random.nextInt(1_000_000);
        String format = random.nextBoolean() ? "vhd" : "qcow2";
        System.out.println(format + ", seed " + seed);
        DiskLoad.run(daemon(), format, FILE_PROCESSES, SERVER_KILLS, FILE_CHANGES, seed);
        daemon().assertNoBug();
    }

    private void unmodified() throws IOException, InterruptedException {
        for (UnmodifiedGuest guest : UnmodifiedGuest.values()) {
            System.out.println(guest);
            guest.play(daemon());
        }
    }

    private void calls() throws IOException, InterruptedException {
        HostileNeighbours beside = neighbours;
        if (beside == null) {
            beside = new HostileNeighbours(lab());
            neighbours = beside;
        }
        int seed = random.nextInt(1_000_000);
        System.out.println("seed " + seed);
        int guests = beside.makeAnyCalls(seed, LAB_CALLS);
        System.out.println("guests " + guests);
        beside.works();
        beside.nothingWasLost();
    }

    private HostileFronts fronts() throws IOException, InterruptedException {
        HostileFronts beside = fronts;
        if (beside == null) {
            beside = new HostileFronts(lab(), Path.of("target/soak-guests").toAbsolutePath());
            fronts = beside;
        }
        return beside;
    }

    private void hostile() throws IOException, InterruptedException {
        HostileFronts beside = fronts();
        int seed = random.nextInt(1_000_000);
        int bits = random.nextBoolean() ? 64 : 32;
        System.out.printf("seed %d, a guest of %d bits%n", seed, bits);
        beside.play(bits, "random=%d count=%d".formatted(seed, ATTACKS));
        beside.kill();
        beside.nothingIsLeft();
    }

    private void connects() throws IOException, InterruptedException {
        HostileFronts beside = fronts();
        beside.play(64, "attack=xsa-350.connects-and-disconnects cycles=" + CONNECTS);
        beside.nothingIsLeft();
    }

    private void kills() throws IOException, InterruptedException {
        ofCore(KILLED, List.of(Integer.toString(KILLS), Long.toString(random.nextLong())));
    }

    private void fuzz() throws IOException, InterruptedException {
        ofCore(FUZZ, List.of(Integer.toString(FAKE_CALLS), Long.toString(random.nextLong())));
    }

    /// Runs a program in a JVM of its own, since the tests of another module are not in this one's class path.
    private static void ofCore(String program, List<String> words)
            throws IOException, InterruptedException {
        Path tests = Path.of("../xen-emu-core/target/test-classes").toAbsolutePath().normalize();
        List<String> command =
                JavaCommand.of(JavaCommand.Compilation.FULL, List.of(tests), program, words);
        int status = new ProcessBuilder(command).inheritIO().start().waitFor();
        if (status != 0) {
            throw new IOException(program + " ended with status " + status);
        }
    }

    /// How long a load goes on.
    ///
    /// @param rounds at most
    /// @param time after which no round begins
    private record Amount(int rounds, Duration time) {
        private static final Duration NO_END = Duration.ofDays(365);

        private static final Pattern WORD = Pattern.compile("([1-9]\\d{0,8})([smh]?)");

        /// `12` rounds, or `90s`, `30m`, `2h`; empty for anything else.
        static Optional<Amount> parse(String word) {
            Matcher parts = WORD.matcher(word);
            if (!parts.matches()) {
                return Optional.empty();
            }
            int number = Integer.parseInt(parts.group(1));
            return Optional.of(
                    switch (parts.group(2)) {
                        case "s" -> lasting(Duration.ofSeconds(number));
                        case "m" -> lasting(Duration.ofMinutes(number));
                        case "h" -> lasting(Duration.ofHours(number));
                        default -> new Amount(number, NO_END);
                    });
        }

        private static Amount lasting(Duration time) {
            return new Amount(Integer.MAX_VALUE, time);
        }
    }

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        List<String> words = List.of(args);
        if (words.contains("--help") || words.contains("-h")) {
            usage(System.out);
            return;
        }
        List<Load> loads = loads(words);
        Optional<Amount> amount = Optional.empty();
        boolean understood = !loads.isEmpty() && words.size() <= 2;
        if (understood && words.size() == 2) {
            amount = Amount.parse(words.get(1));
            understood = amount.isPresent();
        }
        if (!understood) {
            System.err.println("soak: not understood: " + String.join(" ", words));
            usage(System.err);
            System.exit(2);
        }
        System.exit(run(loads, amount) ? 0 : 1);
    }

    private static List<Load> loads(List<String> words) {
        return words.isEmpty() || words.getFirst().equals(ALL)
                ? LOADS
                : LOADS.stream().filter(load -> load.name.equals(words.getFirst())).toList();
    }

    private static boolean run(List<Load> loads, Optional<Amount> amount)
            throws IOException, InterruptedException {
        try (Soak soak = new Soak()) {
            for (Load load : loads) {
                if (!soak.play(load, amount.orElse(new Amount(load.rounds, Amount.NO_END)))) {
                    return false;
                }
            }
            return true;
        }
    }

    /// @return false if a round failed
    private boolean play(Load load, Amount amount) throws IOException, InterruptedException {
        Instant start = Instant.now();
        for (int round = 1;
                round <= amount.rounds
                        && Duration.between(start, Instant.now()).compareTo(amount.time) < 0;
                round++) {
            Instant begun = Instant.now();
            try {
                load.round.play(this);
            } catch (InterruptedException e) {
                throw e;
            } catch (Exception | AssertionError e) {
                Path log = keep(load, e);
                System.err.printf("soak: %s: round %d failed: see %s%n", load.name, round, log);
                return false;
            }
            System.out.printf(
                    "%s: round %d is well, after %d s%n",
                    load.name, round, Duration.between(begun, Instant.now()).toSeconds());
        }
        return true;
    }

    private Path keep(Load load, Throwable failure) throws IOException {
        Path folder = Files.createDirectories(Path.of("target/soak").toAbsolutePath());
        Path log = folder.resolve(load.name + "-" + Instant.now().getEpochSecond() + ".log");
        try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(log))) {
            failure.printStackTrace(out);
            LabDaemon daemon = LabDaemon.running();
            if (daemon != null) {
                out.println("The daemon has said:");
                out.println(daemon.process().output());
            }
        }
        return log;
    }

    private static void usage(PrintStream out) {
        out.println(
                """
                Usage: integration-tests/bin/soak [WHAT [AMOUNT]]
                Repeats what the tests do a few times, most of it in one lab machine, and ends at the first failure, with exit code 1.
                AMOUNT is a number of rounds, or a time such as 90s, 30m or 2h. WHAT is one of these, or `all`, which is each in turn:
                """);
        for (Load load : LOADS) {
            out.printf("  %-9s %s (%d rounds)%n", load.name, load.description, load.rounds);
        }
    }

    @Override
    public void close() throws IOException {
        for (LabProgram program : new @Nullable LabProgram[] {ringing, sharing}) {
            if (program != null) {
                program.close();
            }
        }
        if (neighbours != null) {
            neighbours.close();
        }
        if (fronts != null) {
            fronts.close();
        }
        if (machine != null) {
            machine.close();
        }
    }
}
