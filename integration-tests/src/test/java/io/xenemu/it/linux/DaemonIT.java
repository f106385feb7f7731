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
            assertTrue(row(lab, "first").contains("--p---"));
            ok(lab, "unpause", "first");
            create(lab, "second");
            refused(lab, "error: there is a domain second already", createWords(lab, "second"));

            try (RunningCommand console =
                    lab.startRunning(words(lab, List.of("console", "first")))) {
                GuestShell shell = new GuestShell(console);
                shell.awaitBoot();
                assertEquals("1\n", ok(lab, "domid", "first"));
                assertEquals("first\nsecond\n", names(lab));
                ok(lab, "reboot", "-w", "first");
                shell.awaitBoot();
                assertEquals("3\n", ok(lab, "domid", "first"));
                ok(lab, "shutdown", "-w", "3");
                assertEquals(0, console.awaitExit(), console.output());
            }
            assertEquals("second\n", names(lab));
            refused(lab, "error: no such domain: first", List.of("console", "first"));

            ok(lab, "destroy", "second");
            assertEquals("", names(lab));
            create(lab, "second");
            assertEquals("4\n", ok(lab, "domid", "second"));
            daemon.terminate();
            assertEquals(0, daemon.awaitExit(), daemon.output());
        }
        assertEquals("gone\n", lab.shell("ls /run/daemon/* 2>/dev/null || echo gone"));
    }

    /// What XenStore calls the domains that there are.
    private static String names(Lab lab) throws IOException, InterruptedException {
        String listed = ok(lab, "list");
        StringBuilder names = new StringBuilder();
        listed.lines().skip(1).forEach(line -> names.append(line.split(" ", 2)[0]).append('\n'));
        assertEquals(
                names.toString(),
                lab.shell(
                        "export XENSTORED_PATH="
                                + STORE
                                + "; for id in $(xenstore-list /local/domain | sort -n); do"
                                + " test $id = 0 || xenstore-read /local/domain/$id/name; done"
                                + " | sort"));
        return names.toString();
    }

    private static String row(Lab lab, String name) throws IOException, InterruptedException {
        return ok(lab, "list", name);
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
