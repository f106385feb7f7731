package io.xenemu.it.bench;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabCpus;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Live migrations of a Linux guest between two daemons, and of an ordinary guest (without Xen) between two processes
/// of QEMU, in one lab machine: for how long the guest stands still, and how long it all takes. Ours is the service's
/// own account: from the guest's stop until the destination has said that it runs. The peer's is from its STOP event at
/// the source until its RESUME event at the destination. Both begin with a downtime limit of 300 ms.
///
/// Arguments, optional: `--idle` or `--busy` for guests of that kind alone, MIB of the guests' memory (256), ROUNDS
/// (6). The first two rounds of ours are the first of each daemon; the medians leave them out on both sides.
public final class MigrationsOfLinux {
    private static final String NAME = "measured";
    private static final int FIRST_PORT = 9103;
    private static final int PEER_PORT = 4455;
    private static final int COLD_ROUNDS = 2;
    private static final Pattern STOOD_STILL = Pattern.compile("stood still for (\\d+) ms");
    private static final Pattern TOTAL = Pattern.compile("\"total-time\": (\\d+)");

    /// What the guest does meanwhile.
    private enum Load {
        IDLE("sleep 1000000"),
        /// Writes 1 MiB of its memory again and again, at most 10 times in a second: less than the connection takes.
        WRITES(
                "while :; do dd if=/tmp/from of=/tmp/to bs=64k conv=notrunc 2>/dev/null; sleep 0.1; done"),
        COMPUTES("while :; do :; done");

        private final String script;

        Load(String work) {
            script = "head -c 1M /dev/urandom >/tmp/from; echo guest is ready; " + work;
        }

        /// Those of an option.
        static List<Load> of(Optional<String> option) {
            return switch (option.orElse("")) {
                case "" -> List.of(values());
                case "--idle" -> List.of(IDLE);
                case "--busy" -> List.of(WRITES, COMPUTES);
                default -> throw new IllegalArgumentException(option.get() + " is no option");
            };
        }
    }

    /// One migration, in milliseconds.
    private record Moved(double downtime, double total) {}

    private final Lab lab;
    private final int memory;
    private final int rounds;

    private MigrationsOfLinux(Lab lab, int memory, int rounds) {
        this.lab = lab;
        this.memory = memory;
        this.rounds = rounds;
    }

    /// Entry point; the working folder is that of this module.
    public static void main(String[] args) throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of(args));
        Optional<String> option = words.stream().findFirst().filter(word -> word.startsWith("--"));
        option.ifPresent(words::remove);
        int memory = words.size() > 0 ? Integer.parseInt(words.get(0)) : 256;
        int rounds = words.size() > 1 ? Integer.parseInt(words.get(1)) : 6;
        LabImages images = new LabImages(CacheFolder.of(System.getenv()), System.err::println);
        try (LabMachine machine = LabMachine.boot(images, LabCpus.PARALLEL)) {
            Lab lab = new Lab(machine, images, Path.of("..").toAbsolutePath().normalize());
            MigrationsOfLinux benchmark = new MigrationsOfLinux(lab, memory, rounds);
            for (Load load : Load.of(option)) {
                double ours = print(load, "ours", benchmark.ours(load));
                double peer = print(load, "peer", benchmark.peer(load));
                System.out.printf(Locale.ROOT, "%-8s ours / peer: %.2f%n", name(load), ours / peer);
            }
        }
    }

    /// Moves a guest between two daemons.
    private List<Moved> ours(Load load) throws IOException, InterruptedException {
        List<Moved> all = new ArrayList<>();
        List<String> options =
                LinuxImages.arguments(
                        lab, "6.12", Optional.of(load.script), "--memory", memory + "M");
        String folder = "/run/measured-" + name(load);
        try (LabDaemon first = LabDaemon.start(lab, folder + "-0", FIRST_PORT);
                LabDaemon second = LabDaemon.start(lab, folder + "-1", FIRST_PORT + 1)) {
            LabGuest guest = first.boot(NAME, options);
            guest.console().awaitText("guest is ready");
            LabDaemon here = first;
            LabDaemon there = second;
            for (int round = 0; round < rounds; round++) {
                all.add(migrate(here, there));
                LabDaemon left = here;
                here = there;
                there = left;
            }
            here.ask("destroy " + NAME);
        }
        return all;
    }

    private static Moved migrate(LabDaemon here, LabDaemon there)
            throws IOException, InterruptedException {
        String meter = "xen_migration_duration_seconds_sum";
        double before = Meters.value(here, meter);
        String receive = String.join(" ", there.command("migrate-receive", List.of()));
        String told = here.run("migrate", List.of("--ssh", "", NAME, receive));
        return new Moved(number(STOOD_STILL, told), 1e3 * (Meters.value(here, meter) - before));
    }

    /// Moves an ordinary guest from one process of QEMU to the next.
    private List<Moved> peer(Load load) throws IOException, InterruptedException {
        List<Moved> all = new ArrayList<>();
        RunningCommand here = qemu(load, 0);
        try {
            lab.shell("until grep -q 'guest is ready' " + serial(0) + "; do sleep 0.5; done");
            for (int round = 1; round <= rounds; round++) {
                RunningCommand there = qemu(load, round);
                all.add(migrate(here, there, round));
                here.type("{\"execute\": \"quit\"}\n");
                here.awaitExit();
                here = there;
            }
        } finally {
            here.close();
        }
        return all;
    }

    private static Moved migrate(RunningCommand here, RunningCommand there, int round)
            throws IOException, InterruptedException {
        here.type(
                "{\"execute\": \"migrate\", \"arguments\": {\"uri\": \"tcp:127.0.0.1:%d\"}}\n"
                        .formatted(PEER_PORT + round));
        there.awaitText("\"RESUME\"");
        here.awaitText("\"STOP\"");
        while (!here.output().contains("\"completed\"")) {
            here.type("{\"execute\": \"query-migrate\"}\n");
            Thread.sleep(200);
        }
        double downtime = time(there, "RESUME") - time(here, "STOP");
        return new Moved(downtime, number(TOTAL, completed(here.output())));
    }

    /// A process of the peer, which waits for a guest unless it is the first one.
    private RunningCommand qemu(Load load, int number) throws IOException, InterruptedException {
        List<String> options = LinuxImages.arguments(lab, "6.12", Optional.of(load.script));
        List<String> command = new ArrayList<>(List.of(lab.images().qemu().toString()));
        command.addAll(List.of("-accel", "kvm", "-cpu", "host", "-M", "q35", "-smp", "1"));
        command.addAll(List.of("-m", memory + "M", "-nodefaults", "-display", "none"));
        command.addAll(List.of("-serial", "file:" + serial(number), "-qmp", "stdio"));
        command.addAll(List.of("-append", "console=ttyS0 quiet panic=-1"));
        command.addAll(List.of("-kernel", after(options, "--kernel")));
        command.addAll(List.of("-initrd", after(options, "--initrd")));
        if (number > 0) {
            command.addAll(List.of("-incoming", "tcp:127.0.0.1:" + (PEER_PORT + number)));
        }
        RunningCommand qemu = lab.startRunning(command);
        qemu.awaitText("\"QMP\"");
        qemu.type("{\"execute\": \"qmp_capabilities\"}\n");
        qemu.awaitText("\"return\"");
        return qemu;
    }

    private static String serial(int number) {
        return "/run/measured-serial-" + number;
    }

    private static String after(List<String> options, String option) {
        return options.get(options.indexOf(option) + 1);
    }

    /// The time of an event, by the clock of the lab machine.
    private static double time(RunningCommand qemu, String event) {
        Matcher time =
                Pattern.compile(
                                "\"seconds\": (\\d+), \"microseconds\": (\\d+)\\}, \"event\": \"%s\""
                                        .formatted(event))
                        .matcher(qemu.output());
        if (!time.find()) {
            throw new IllegalStateException("no time of " + event + ": " + qemu.output());
        }
        return Double.parseDouble(time.group(1)) * 1e3 + Double.parseDouble(time.group(2)) / 1e3;
    }

    private static String completed(String output) {
        return output.lines()
                .filter(line -> line.contains("\"completed\""))
                .findFirst()
                .orElseThrow();
    }

    private static double number(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        if (!matcher.find()) {
            throw new IllegalStateException("no number of " + pattern + ": " + text);
        }
        return Double.parseDouble(matcher.group(1));
    }

    private static double print(Load load, String side, List<Moved> all) {
        List<Moved> warm = all.subList(Math.min(COLD_ROUNDS, all.size() - 1), all.size());
        double downtime = Samples.median(warm.stream().mapToDouble(Moved::downtime));
        double total = Samples.median(warm.stream().mapToDouble(Moved::total));
        System.out.printf(
                Locale.ROOT,
                "%-8s %s downtime %.0f ms %s, in all %.0f ms%n",
                name(load),
                side,
                downtime,
                all.stream().map(moved -> Math.round(moved.downtime)).toList(),
                total);
        return downtime;
    }

    private static String name(Load load) {
        return load.name().toLowerCase(Locale.ROOT);
    }
}
