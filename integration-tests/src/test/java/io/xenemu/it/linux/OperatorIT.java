package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestPrograms;
import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.PerlControl;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// One Linux guest on its serial port, whose interrupt is an event channel, and all that an operator may ask of its
/// service.
@Needs({HostPackage.GCC, HostPackage.LIBC, HostPackage.LINUX_HEADERS, HostPackage.XEN_HEADERS})
@ExtendWith(LabExtension.class)
class OperatorIT {
    private static final String SOCKET = "/run/operator-control";
    private static final Duration LIMIT = Duration.ofMinutes(4);

    @Test
    void serialPortInterruptsByEventChannelAndTheOperatorReachesTheGuest(Lab lab)
            throws IOException, InterruptedException {
        leaveStaleSocket(lab);
        try (RunningCommand guest = boot(lab)) {
            GuestShell shell = new GuestShell(guest);
            shell.awaitBoot();

            serialPortInterruptsByEventChannel(shell);
            shell.run("modprobe xen-evtchn");
            shell.check("evtchn-device full 64");
            assertEquals("600\n", lab.shell("stat -c %a " + SOCKET));
            debugKeysReachTheGuestAndTellTheCaller(lab, shell);
            nmiReachesTheVcpu(lab, shell);
            refusalIsOneLine(lab);
            shell.assertNoComplaint();

            PerlControl control = new PerlControl(lab, SOCKET);
            assertEquals("ok\n", control.ask("trigger operated reset"));
            shell.awaitBoot();
            assertEquals("ok\n", control.ask("shutdown 2"));
            assertEquals(0, guest.awaitExit(), guest.output());
            assertTrue(guest.output().contains("reboot: Power down"), guest.output());
        }
        assertEquals("gone\n", lab.shell("test -e " + SOCKET + " || echo gone"));
    }

    /// One that nobody serves any more.
    private static void leaveStaleSocket(Lab lab) throws IOException, InterruptedException {
        lab.shell(
                "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0);"
                        + " bind(S, sockaddr_un(shift)) or die' "
                        + SOCKET);
    }

    private static RunningCommand boot(Lab lab) throws IOException, InterruptedException {
        List<String> arguments =
                LinuxImages.arguments(
                        lab,
                        "6.12",
                        Optional.empty(),
                        GuestPrograms.build("evtchn-device"),
                        "--name",
                        "operated",
                        "--vcpus",
                        "2",
                        "--max-event-channels",
                        "64",
                        "--hvm-pirq",
                        "--console",
                        "none",
                        "--serial",
                        "stdio",
                        "--control-socket",
                        SOCKET);
        // Each byte is several exits, and the test is not about the kernel's messages.
        arguments.replaceAll(word -> word.replace("console=hvc0", "quiet console=ttyS0"));
        return lab.xenEmuRun(arguments);
    }

    private static void serialPortInterruptsByEventChannel(GuestShell shell)
            throws IOException, InterruptedException {
        long before = counts(shell, "ttyS0").stream().mapToLong(Long::longValue).sum();
        String line = shell.run("grep ttyS0 /proc/interrupts");
        long after = counts(shell, "ttyS0").stream().mapToLong(Long::longValue).sum();
        assertAll(
                () -> assertTrue(line.contains("xen-pirq"), line),
                () -> assertTrue(after > before, before + ", then " + after));
    }

    private static void debugKeysReachTheGuestAndTellTheCaller(Lab lab, GuestShell shell)
            throws IOException, InterruptedException {
        Lab.Result told = operate(lab, "debug-keys", "eq");
        String output = told.stdout();
        assertEquals(new Lab.Result(0, output, ""), told);
        assertTrue(output.contains("2 vCPUs, of which 2 have bound VIRQ_DEBUG"), output);
        assertAll(
                () -> assertTrue(output.contains("event channels, 2-level ABI"), output),
                () -> assertTrue(output.contains(", PIRQ "), output),
                () -> assertTrue(output.contains(", VIRQ 1"), output),
                () -> assertTrue(output.contains(" of dom0"), output),
                () -> assertEquals(1L, counts(shell, "debug0").get(0)),
                () -> assertEquals(1L, counts(shell, "debug1").get(1)));
    }

    private static void nmiReachesTheVcpu(Lab lab, GuestShell shell)
            throws IOException, InterruptedException {
        assertEquals(new Lab.Result(0, "", ""), operate(lab, "trigger", "operated", "nmi", "1"));
        assertEquals(List.of(0L, 1L), counts(shell, "NMI:"));
        String log = shell.run("dmesg | grep NMI");
        assertTrue(log.contains("NMI received"), log);
    }

    private static void refusalIsOneLine(Lab lab) throws IOException, InterruptedException {
        assertEquals(
                new Lab.Result(1, "", "xen-emu: no such domain: nobody\n"),
                operate(lab, "trigger", "nobody", "reset"));
    }

    private static Lab.Result operate(Lab lab, String... words)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(lab.launcher().toString(), words[0]));
        command.addAll(List.of("--socket", SOCKET));
        command.addAll(List.of(words).subList(1, words.length));
        return lab.exec(LIMIT, command);
    }

    /// By CPU, from the line of /proc/interrupts that has this word.
    private static List<Long> counts(GuestShell shell, String interrupt)
            throws IOException, InterruptedException {
        String output = shell.run("cat /proc/interrupts");
        Matcher line =
                Pattern.compile("^ *\\w+:((?: +\\d+)+) .*$", Pattern.MULTILINE).matcher(output);
        while (line.find()) {
            if (line.group().contains(interrupt)) {
                return Pattern.compile(" +")
                        .splitAsStream(line.group(1).strip())
                        .map(Long::valueOf)
                        .toList();
            }
        }
        throw new AssertionError(interrupt + "\n" + output);
    }
}
