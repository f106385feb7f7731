package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Every way in which a guest stops: `xen-emu run` has an exit code for it, a daemon a word.
@ExtendWith(LabExtension.class)
class ShutdownIT {
    @Test
    void guestThatRebootsStartsAgain(Lab lab) throws IOException, InterruptedException {
        try (LabGuest guest =
                LabDaemon.shared(lab)
                        .boot("again", LinuxImages.arguments(lab, "6.12", Optional.empty()))) {
            guest.shell().awaitBoot();
            guest.console().type("reboot\n");
            guest.console().awaitText("as a guest of Xen", 2);
            guest.shell().awaitBoot();
            guest.console().type("poweroff\n");
            guest.awaitEnd("poweroff");
        }
    }

    @Test
    void runWithNoRebootEndsWith3WhenTheGuestReboots(Lab lab)
            throws IOException, InterruptedException {
        RunningCommand guest = script(lab, "sync; exec busybox reboot -f", "--no-reboot");
        assertEquals(3, guest.awaitExit(), guest.output());
    }

    @Test
    void runEndsWith4WhenTheGuestCrashes(Lab lab) throws IOException, InterruptedException {
        RunningCommand guest = script(lab, "echo c > /proc/sysrq-trigger");
        assertEquals(4, guest.awaitExit(), guest.output());
    }

    /// Without ACPI, Linux powers off by halting for good.
    @Test
    void powerOffWithoutAcpiEndsTheDomain(Lab lab) throws IOException, InterruptedException {
        List<String> arguments =
                new ArrayList<>(LinuxImages.arguments(lab, "6.12", Optional.of("echo done")));
        int append = arguments.indexOf("--append") + 1;
        arguments.set(append, arguments.get(append) + " acpi=off");
        try (LabGuest guest = LabDaemon.shared(lab).boot("without-acpi", arguments)) {
            guest.awaitEnd("poweroff");
        }
    }

    @Test
    void runEndsWith124AfterItsTimeout(Lab lab) throws IOException, InterruptedException {
        RunningCommand guest = script(lab, "sleep 1000", "--timeout", "2");
        assertEquals(124, guest.awaitExit(), guest.output());
    }

    @Test
    void sigtermEndsRunWith143AndLeavesNoSocket(Lab lab) throws IOException, InterruptedException {
        RunningCommand guest =
                script(
                        lab,
                        "sleep 1000",
                        "--xenstore-socket",
                        "/run/sigterm-xenstore",
                        "--stop-timeout",
                        "2");
        guest.awaitText("Linux version");
        guest.terminate();
        assertEquals(143, guest.awaitExit(), guest.output());
        assertEquals("gone\n", lab.shell("test -e /run/sigterm-xenstore || echo gone"));
        assertTrue(!guest.output().contains("Exception"), guest.output());
    }

    private static RunningCommand script(Lab lab, String script, String... more)
            throws IOException {
        RunningCommand guest =
                lab.xenEmuRun(LinuxImages.arguments(lab, "6.12", Optional.of(script), more));
        guest.closeInput();
        return guest;
    }
}
