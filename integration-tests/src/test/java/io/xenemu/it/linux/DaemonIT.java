package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Two Linux guests of one daemon, which come and go at run time.
@ExtendWith(LabExtension.class)
class DaemonIT {
    private static final String CONTROL = "/run/daemon/control";
    private static final String STORE = "/run/daemon/xenstore";
    private static final Duration LIMIT = Duration.ofMinutes(4);

    @Test
    void guestsComeAndGo(Lab lab) throws IOException, InterruptedException {
        try (RunningCommand daemon =
                lab.startRunning(
                        List.of(
                                lab.launcher().toString(),
                                "daemon",
                                "--control-socket",
                                CONTROL,
                                "--xenstore-socket",
                                STORE))) {
            lab.shell("while ! test -S " + CONTROL + "; do sleep 0.2; done");
            create(lab, "first", "-p");
            assertTrue(ask(lab, "list first").contains("--p---"));
            assertEquals("ok\n", ask(lab, "unpause first"));
            create(lab, "second");
            refused(lab, "error: there is a domain second already", createWords(lab, "second"));
            assertEquals(List.of("first", "second"), listed(lab));
            assertEquals("first\nsecond\n", inXenStore(lab));

            try (RunningCommand console =
                    lab.startRunning(words(lab, List.of("console", "first")))) {
                GuestShell shell = new GuestShell(console);
                shell.awaitBoot();
                assertEquals("|1\nok\n", ask(lab, "domid first"));
                assertEquals("ok\n", ask(lab, "reboot first wait"));
                shell.awaitBoot();
                assertEquals("|3\nok\n", ask(lab, "domid first"));
                assertEquals("ok\n", ask(lab, "shutdown 3 wait"));
                assertEquals(0, console.awaitExit(), console.output());
            }
            assertEquals("error: no such domain: first\n", ask(lab, "console pv first"));
            assertEquals("second\n", inXenStore(lab));
            assertEquals("", ok(lab, "destroy", "second"));
            assertEquals("", inXenStore(lab));
            create(lab, "third");
            daemon.terminate();
            assertEquals(0, daemon.awaitExit(), daemon.output());
        }
        assertEquals("gone\n", lab.shell("ls /run/daemon/* 2>/dev/null || echo gone"));
    }

    /// Names in `xen-emu list`.
    private static List<String> listed(Lab lab) throws IOException, InterruptedException {
        return ok(lab, "list").lines().skip(1).map(line -> line.split(" ", 2)[0]).toList();
    }

    /// What XenStore calls the domains that there are.
    private static String inXenStore(Lab lab) throws IOException, InterruptedException {
        return lab.shell(
                "export XENSTORED_PATH="
                        + STORE
                        + "; for id in $(xenstore-list /local/domain); do"
                        + " test $id = 0 || xenstore-read /local/domain/$id/name; done | sort");
    }

    /// As the commands do, each of which is a JVM that the lab starts slowly.
    private static String ask(Lab lab, String request) throws IOException, InterruptedException {
        return lab.shell(
                "perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => shift) or die;"
                        + " print $s shift, \"\\n\"; while (<$s>) { print; last unless /^\\|/ }' "
                        + CONTROL
                        + " '"
                        + request
                        + "'");
    }

    private static void create(Lab lab, String name, String... options)
            throws IOException, InterruptedException {
        List<String> words = createWords(lab, name);
        words.addAll(List.of(options));
        assertEquals("", ok(lab, words.toArray(String[]::new)));
    }

    private static List<String> createWords(Lab lab, String name) throws IOException {
        List<String> words = new ArrayList<>(List.of("create"));
        words.addAll(
                LinuxImages.arguments(
                        lab, "6.12", Optional.empty(), "--name", name, "--memory", "256M"));
        return words;
    }

    private static String ok(Lab lab, String... words) throws IOException, InterruptedException {
        Lab.Result result = lab.exec(LIMIT, words(lab, List.of(words)));
        assertEquals(0, result.exitCode(), result.toString());
        assertEquals("", result.stderr());
        return result.stdout();
    }

    private static void refused(Lab lab, String reason, List<String> words)
            throws IOException, InterruptedException {
        Lab.Result result = lab.exec(LIMIT, words(lab, words));
        assertEquals(new Lab.Result(1, "", "xen-emu: " + reason + "\n"), result);
    }

    private static List<String> words(Lab lab, List<String> words) {
        List<String> command = new ArrayList<>(List.of(lab.launcher().toString()));
        command.addAll(words);
        command.addAll(List.of("--socket", CONTROL));
        return command;
    }
}
