package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// What follows a crash of Linux, as `on_crash` says, and a watchdog that nobody feeds, as `on_watchdog` says.
@Needs(HostPackage.BINUTILS)
@ExtendWith(LabExtension.class)
class CrashIT {
    private static final String CRASH = "echo c > /proc/sysrq-trigger\n";

    private static List<String> linux(Lab lab, String... more) throws IOException {
        return LinuxImages.arguments(lab, "6.12", Optional.empty(), more);
    }

    @Test
    void preservedGuestIsListedAndItsCoreReadUntilItIsDestroyed(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        try (LabGuest guest =
                daemon.boot("kept", linux(lab, "--on-crash", "preserve", "--vcpus", "2"))) {
            guest.shell().awaitBoot();
            guest.console().type(CRASH);
            daemon.process().awaitText("(kept): preserved");

            String row = daemon.ask("list kept");
            assertTrue(row.contains("---sc-"), row);
            lab.shell("mkdir -p /run/small && mount -t tmpfs -o size=1m none /run/small");
            String full = daemon.ask("dump-core kept /run/small/core");
            assertTrue(full.contains("No space left on device"), full);
            assertEquals("", lab.shell("ls -A /run/small"));
            assertEquals("ok\n", daemon.ask("dump-core kept /run/kept-core"));
            String core = lab.shell("readelf -hlnW /run/kept-core; rm /run/kept-core");
            assertTrue(core.contains("CORE (Core file)"), core);
            assertEquals(2, core.lines().filter(it -> it.contains("NT_PRSTATUS")).count(), core);
            assertEquals(2, core.lines().filter(it -> it.contains("  QEMU ")).count(), core);
            assertTrue(core.lines().anyMatch(it -> it.matches(" *LOAD .* 0x0+ 0x0+ .*")), core);
            guest.destroy();
            assertFalse(daemon.ask("list").contains("kept"));
        }
    }

    @Test
    void guestIsRestartedAfterACrash(Lab lab) throws IOException, InterruptedException {
        try (LabGuest guest =
                LabDaemon.shared(lab).boot("risen", linux(lab, "--on-crash", "restart"))) {
            guest.shell().awaitBoot();
            guest.console().type(CRASH);
            guest.console().awaitText("as a guest of Xen", 2);
            guest.shell().awaitBoot();
            guest.console().type("poweroff\n");
            guest.awaitEnd("poweroff");
        }
    }

    /// Linux's driver stops its watchdog only if a program says so before it ends.
    @Test
    void guestIsRestartedWhenItsWatchdogIsNotFed(Lab lab) throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        try (LabGuest guest = daemon.boot("watched", linux(lab, "--on-watchdog", "restart"))) {
            guest.shell().awaitBoot();
            guest.shell().run("modprobe xen_wdt timeout=300; echo V > /dev/watchdog");
            guest.shell().run("rmmod xen_wdt; modprobe xen_wdt timeout=2");
            guest.console().type("echo > /dev/watchdog\n");
            daemon.process().awaitText("(watched): watchdog");
            guest.console().awaitText("as a guest of Xen", 2);
            guest.shell().awaitBoot();
            guest.console().type("poweroff\n");
            guest.awaitEnd("poweroff");
        }
    }
}
