package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Md5Sums;
import io.xenemu.it.fixture.PerlControl;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux guests use further consoles (hvc1 and so on), with Linux's own driver.
@ExtendWith(LabExtension.class)
class ChannelIT {
    private static final String FIRST = "speaker";
    private static final String SECOND = "neighbour";
    private static final String FOLDER = "/run/channels";
    private static final int ECHOED = 64 << 10;

    /// More than the socket and the channel keep: the guest is held back.
    private static final int HELD = 600 << 10;

    private static final int FILE_SIZE = 8192;
    private static final int ROUNDS = 3;

    /// Sends a file to a socket, and gets as many bytes back into another one.
    private static final String ECHO_CLIENT =
            """
            use Socket;
            my ($path, $count, $out, $in) = @ARGV;
            socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un($path)) or die "$path: $!";
            my ($b, $n, $o) = ("");
            unless ($out eq "-" || fork) {
                open(my $f, "<", $out) or die; binmode $f;
                while (sysread $f, $b, 4096) {
                    for ($o = 0; $o < length $b; $o += $n) { $n = syswrite($s, $b, length($b) - $o, $o) // die }
                }
                exit
            }
            if ($out eq "-") { sleep 3 }
            open(my $t, ">", $in) or die; binmode $t;
            while ($count > 0) { $n = sysread($s, $b, 4096) or die "end"; syswrite $t, $b; $count -= $n }
            """;

    private static String quoted(String text) {
        return "'" + text + "'";
    }

    private static List<String> image(Lab lab, String... more) throws IOException {
        List<String> all = new ArrayList<>(List.of("--memory", "256M", "--vcpus", "1"));
        all.addAll(List.of(more));
        return LinuxImages.arguments(
                lab, "6.12", Optional.empty(), List.of(), all.toArray(String[]::new));
    }

    private static String socket(String name, String file) {
        return "name=%s,connection=socket,path=%s/%s,limit=4K".formatted(name, FOLDER, file);
    }

    /// Opens a console for good: Linux gives it the settings of a terminal again when nobody has it open.
    private static void open(GuestShell shell, int descriptor, String console)
            throws IOException, InterruptedException {
        shell.run("exec %1$d<>/dev/%2$s; stty raw -echo <&%1$d".formatted(descriptor, console));
    }

    /// Sends a file through a guest that gives it back, and compares.
    private static void echo(Lab lab, String... files) throws IOException, InterruptedException {
        StringBuilder all = new StringBuilder();
        for (String file : files) {
            all.append(
                    "dd if=/dev/urandom of=%1$s/%2$s.out bs=1024 count=%3$d 2>/dev/null; perl -e %4$s %1$s/%2$s %5$d %1$s/%2$s.out %1$s/%2$s.in & "
                            .formatted(FOLDER, file, ECHOED >> 10, quoted(ECHO_CLIENT), ECHOED));
        }
        lab.shell(all + "wait");
        for (String file : files) {
            assertEquals(
                    Md5Sums.in(lab.shell("md5sum %s/%s.out".formatted(FOLDER, file))),
                    Md5Sums.in(lab.shell("md5sum %s/%s.in".formatted(FOLDER, file))),
                    file);
        }
    }

    @Test
    void twoGuestsUseChannelsAndFurtherConsoles(Lab lab) throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        lab.shell("rm -rf %1$s; mkdir -p %1$s".formatted(FOLDER));
        List<String> first =
                image(
                        lab,
                        "--channel",
                        socket("org.example.agent", "a"),
                        "--channel",
                        "connection=pty",
                        "--channel",
                        "connection=file,path=%s/log,max-size=%d".formatted(FOLDER, FILE_SIZE));
        List<String> second = image(lab, "--channel", socket("org.example.agent", "b"));
        try (LabGuest guest = daemon.boot(FIRST, first);
                LabGuest other = daemon.boot(SECOND, second)) {
            GuestShell shell = guest.shell();
            shell.awaitBoot();
            GuestShell neighbour = other.shell();
            neighbour.awaitBoot();
            for (GuestShell each : List.of(shell, neighbour)) {
                open(each, 3, "hvc1");
                each.run("cat <&3 >&3 & sleep 0");
            }
            echo(lab, "a", "b");
            // The next client of the same socket.
            echo(lab, "a");
            shell.run("kill %1; sleep 1");
            slowReader(lab, shell);
            terminal(daemon, shell);
            file(lab, shell);
            hotPlug(lab, daemon, shell);
            assertTrue(
                    daemon.ask("channel-list " + FIRST).contains("0   0  4     "),
                    daemon.ask("channel-list " + FIRST));
            shell.assertNoComplaint();
            neighbour.assertNoComplaint();
        }
        assertEquals("", lab.shell("find %s -type s".formatted(FOLDER)));
        daemon.assertNoBug();
    }

    /// The guest prints more than anybody keeps, while its client sleeps.
    private static void slowReader(Lab lab, GuestShell shell)
            throws IOException, InterruptedException {
        String sum =
                Md5Sums.in(
                        shell.run(
                                "dd if=/dev/urandom of=/tmp/f bs=1024 count=%d 2>/dev/null; md5sum /tmp/f"
                                        .formatted(HELD >> 10)));
        try (RunningCommand client =
                lab.startRunning(
                        List.of(
                                "perl",
                                "-e",
                                ECHO_CLIENT,
                                FOLDER + "/a",
                                Integer.toString(HELD),
                                "-",
                                FOLDER + "/slow"))) {
            shell.run("sleep 1; cat /tmp/f >&3");
            assertEquals(0, client.awaitExit(), client.output());
        }
        assertEquals(sum, Md5Sums.in(lab.shell("md5sum %s/slow".formatted(FOLDER))));
    }

    /// `console -n 2` is on the terminal of hvc2.
    private static void terminal(LabDaemon daemon, GuestShell shell)
            throws IOException, InterruptedException {
        open(shell, 4, "hvc2");
        String tty = daemon.ask("channel-tty %s 2".formatted(FIRST));
        assertTrue(tty.startsWith("|/dev/pts/"), tty);
        try (RunningCommand console =
                daemon.lab().startRunning(daemon.command("console", List.of("-n", "2", FIRST)))) {
            shell.run("echo to the operator >&4");
            console.awaitText("to the operator");
            console.type("to the guest\n");
            assertTrue(shell.run("head -n 1 <&4").contains("to the guest"));
            console.type("\u001d");
            assertEquals(0, console.awaitExit(), console.output());
        }
    }

    private static void file(Lab lab, GuestShell shell) throws IOException, InterruptedException {
        open(shell, 5, "hvc3");
        shell.run("echo first line >&5; for i in $(seq 2000); do echo line $i >&5; done");
        assertEquals("first line\n", lab.shell("head -n 1 %s/log".formatted(FOLDER)));
        assertEquals(FILE_SIZE + "\n", lab.shell("sync; stat -c %%s %s/log".formatted(FOLDER)));
    }

    private static void hotPlug(Lab lab, LabDaemon daemon, GuestShell shell)
            throws IOException, InterruptedException {
        for (int round = 0; round < ROUNDS; round++) {
            assertEquals(
                    "ok\n",
                    daemon.ask(
                            "channel-attach %s %s"
                                    .formatted(
                                            FIRST,
                                            PerlControl.word(socket("org.example.late", "late")))));
            shell.run(
                    "while ! (exec 6<>/dev/hvc4) 2>/tmp/none; do sleep 0.2; done; exec 6<>/dev/hvc4; stty raw -echo <&6");
            shell.run("cat <&6 >&6 & sleep 0");
            echo(lab, "late");
            assertEquals("ok\n", daemon.ask("channel-detach %s org.example.late".formatted(FIRST)));
            // Its terminal has hung up.
            shell.run("wait; exec 6>&-");
        }
    }
}
