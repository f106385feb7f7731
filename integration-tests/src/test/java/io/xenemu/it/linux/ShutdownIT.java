package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Every way in which a guest stops has its own exit code.
@ExtendWith(LabExtension.class)
class ShutdownIT {
    private static final String PROMPT = "/root # ";

    @Test
    void rebootReallyReboots(Lab lab) throws IOException, InterruptedException {
        RunningCommand guest = shell(lab);
        guest.type("reboot\n");
        guest.awaitText("as a guest of Xen", 2);
        guest.awaitText(PROMPT, 2);
        guest.type("poweroff\n");
        assertEquals(0, guest.awaitExit(), guest.output());
    }

    @Test
    void rebootWithNoRebootEndsWith3(Lab lab) throws IOException, InterruptedException {
        RunningCommand guest = script(lab, "sync; exec busybox reboot -f", "--no-reboot");
        assertEquals(3, guest.awaitExit(), guest.output());
    }

    @Test
    void crashEndsWith4(Lab lab) throws IOException, InterruptedException {
        RunningCommand guest = script(lab, "echo c > /proc/sysrq-trigger");
        assertEquals(4, guest.awaitExit(), guest.output());
    }

    /// Without ACPI, Linux powers off by halting for good.
    @Test
    void poweroffWithoutAcpiEndsTheDomain(Lab lab) throws IOException, InterruptedException {
        List<String> arguments =
                new ArrayList<>(LinuxImages.arguments(lab, "6.12", Optional.of("echo done")));
        int append = arguments.indexOf("--append") + 1;
        arguments.set(append, arguments.get(append) + " acpi=off");
        RunningCommand guest = lab.xenEmuRun(arguments);
        guest.closeInput();
        assertEquals(0, guest.awaitExit(), guest.output());
    }

    @Test
    void timeoutEndsWith124(Lab lab) throws IOException, InterruptedException {
        RunningCommand guest = script(lab, "sleep 1000", "--timeout", "2");
        assertEquals(124, guest.awaitExit(), guest.output());
    }

    @Test
    void sigtermStopsCleanly(Lab lab) throws IOException, InterruptedException {
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

    private static RunningCommand shell(Lab lab) throws IOException, InterruptedException {
        RunningCommand guest = lab.xenEmuRun(LinuxImages.arguments(lab, "6.12", Optional.empty()));
        guest.awaitText(PROMPT);
        return guest;
    }

    private static RunningCommand script(Lab lab, String script, String... more)
            throws IOException {
        RunningCommand guest =
                lab.xenEmuRun(LinuxImages.arguments(lab, "6.12", Optional.of(script), more));
        guest.closeInput();
        return guest;
    }
}
