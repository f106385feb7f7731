package io.xenemu.it.bench;

import com.google.common.base.Splitter;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.it.fixture.GuestRunner;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/// The time until a daemon in a lab machine answers `list`, and its memory when it idles then. This checkout's daemon
/// and another one's run in turn.
final class DaemonStarts {
    /// Starts the daemon, asks until it has answered, and ends it when it has idled for 8 s. Prints the seconds from
    /// the start to the answer, and its resident memory in KiB. The greeting tells whether it speaks JSON, or
    /// lines of words.
    private static final String PERL =
            """
            use Socket; use Time::HiRes qw(time sleep);
            my ($socket, @daemon) = @ARGV; my ($begin, $answer, $part) = (time, "");
            my $pid = fork; unless ($pid) { open STDOUT, ">&STDERR"; exec @daemon; exit 1 }
            until ($answer =~ /^ok$|"result"/m) {
                waitpid($pid, 1) == 0 or die "the daemon has ended";
                sleep 0.01; $answer = "";
                socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un($socket)) or next;
                sysread $s, $part, 4096 or next;
                syswrite $s, $part =~ /^[{]/ ? qq({"id": 1, "verb": "list", "arguments": []}\\n) : "list\\n";
                while ($answer !~ /^ok$|"result"/m && sysread $s, $part, 4096) { $answer .= $part }
            }
            printf "%.3f ", time - $begin; sleep 8;
            open my $status, "<", "/proc/$pid/status"; /^VmRSS:\\s+(\\d+)/ and print $1 while <$status>;
            kill 9, $pid; waitpid $pid, 0; unlink $socket;
            """;

    /// One start.
    ///
    /// @param mib resident when idle
    private record Start(double seconds, double mib) {}

    private DaemonStarts() {}

    /// Measures and prints.
    ///
    /// @param there the other checkout, which has been built
    /// @param here this checkout, which has been built
    static void compare(LabMachine machine, Path there, Path here, int rounds)
            throws IOException, InterruptedException {
        List<Start> theirs = new ArrayList<>();
        List<Start> ours = new ArrayList<>();
        // The first of each reads its files from the host, and does not count.
        Start _ = start(machine, there);
        Start _ = start(machine, here);
        for (int round = 1; round <= rounds; round++) {
            System.err.printf("round %d of %d%n", round, rounds);
            theirs.add(start(machine, there));
            ours.add(start(machine, here));
        }
        print("a daemon until it answers, lab", "s", theirs, ours, Start::seconds);
        print("a daemon idle for 8 s, RSS, lab", "MiB", theirs, ours, Start::mib);
    }

    private static void print(
            String what,
            String unit,
            List<Start> theirs,
            List<Start> ours,
            ToDoubleFunction<Start> value) {
        double there = Samples.median(theirs.stream().mapToDouble(value));
        double here = Samples.median(ours.stream().mapToDouble(value));
        System.out.printf(
                Locale.ROOT,
                "%-34s there %7.2f %-3s  here %7.2f %-3s  ratio %.2f  (%d rounds)%n",
                what,
                there,
                unit,
                here,
                unit,
                here / there,
                ours.size());
    }

    private static Start start(LabMachine machine, Path checkout)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("perl", "-e", PERL, "/run/started"));
        command.addAll(List.of(checkout.resolve("xen-emu-core/bin/xen-emu").toString(), "daemon"));
        command.addAll(List.of("--control-socket", "/run/started"));
        command.addAll(List.of("--xenstore-socket", "/run/started-store"));
        Process perl =
                machine.start(command, Path.of("").toAbsolutePath(), GuestRunner.ENVIRONMENT);
        perl.getOutputStream().close();
        Thread messages =
                Thread.ofVirtual()
                        .start(() -> perl.errorReader().lines().forEach(System.err::println));
        String printed =
                new String(perl.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        perl.waitFor();
        messages.join();
        List<String> values = Splitter.on(' ').splitToList(printed);
        if (values.size() != 2) {
            throw new IOException(checkout + ": the daemon does not answer");
        }
        return new Start(
                Double.parseDouble(values.getFirst()), Long.parseLong(values.getLast()) / 1024.0);
    }
}
