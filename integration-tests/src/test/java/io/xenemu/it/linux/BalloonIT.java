package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux's balloon driver follows `mem-set`, and the host's memory follows the guest.
@ExtendWith(LabExtension.class)
class BalloonIT {
    private static final String NAME = "balloon";

    /// How long the guest may take, on a slow machine.
    private static final Duration BALLOON = Duration.ofMinutes(3);

    /// How long the host may take after the guest.
    private static final Duration HOST = Duration.ofSeconds(2);

    private static final long POLL_MILLIS = 100;

    /// What the guest writes, more than a balloon of 256 MiB leaves in 512.
    private static final int FILL_MIB = 300;

    /// What a guest has beside its memory: ACPI tables.
    private static final int SLACK_MIB = 2;

    /// The unit of `st_blocks`, stat(2).
    private static final long BLOCK_BYTES = 512;

    private static final Pattern TOTAL = Pattern.compile("MemTotal: +(\\d+) kB");

    private static LabGuest boot(LabDaemon daemon, String... memory)
            throws IOException, InterruptedException {
        LabGuest guest =
                daemon.boot(
                        NAME,
                        LinuxImages.arguments(daemon.lab(), "6.12", Optional.empty(), memory));
        guest.shell().awaitBoot();
        return guest;
    }

    /// Has the guest use memory, and give it back to its own kernel.
    private static void fill(LabGuest guest) throws IOException, InterruptedException {
        String output =
                guest.shell()
                        .run(
                                "mkdir -p /fill; mount -t tmpfs -o size=400m none /fill;"
                                        + " dd if=/dev/zero of=/fill/file bs=1M count="
                                        + FILL_MIB
                                        + " && echo filled $((6 * 7)); umount /fill");
        assertTrue(output.contains("filled 42"), output);
    }

    private static long totalMib(LabGuest guest) throws IOException, InterruptedException {
        String output = guest.shell().run("cat /proc/meminfo");
        Matcher total = TOTAL.matcher(output);
        assertTrue(total.find(), output);
        return Long.parseLong(total.group(1)) >> 10;
    }

    private static long awaitTotalBelow(LabGuest guest, int mib)
            throws IOException, InterruptedException {
        long deadline = System.nanoTime() + BALLOON.toNanos();
        long total = totalMib(guest);
        while (total >= mib) {
            assertTrue(System.nanoTime() < deadline, total + " MiB");
            Thread.sleep(POLL_MILLIS);
            total = totalMib(guest);
        }
        return total;
    }

    /// Waits until the guest owns so much.
    private static void awaitOwned(LabDaemon daemon, int mib)
            throws IOException, InterruptedException {
        Pattern row = Pattern.compile("\\|" + NAME + " +\\d+ +" + mib + " ");
        long deadline = System.nanoTime() + BALLOON.toNanos();
        String listed = daemon.ask("list " + NAME);
        while (!row.matcher(listed).find()) {
            assertTrue(System.nanoTime() < deadline, listed);
            Thread.sleep(POLL_MILLIS);
            listed = daemon.ask("list " + NAME);
        }
    }

    /// What the host has given to the guest's RAM.
    private static long hostMib(Lab lab) throws IOException, InterruptedException {
        String blocks =
                lab.shell(
                        "find /proc/[0-9]*/fd -lname '*memfd:xen-ram-"
                                + NAME
                                + "*' -exec stat -L -c %b {} + 2>/dev/null | head -1");
        return (Long.parseLong(blocks.strip()) * BLOCK_BYTES) >> 20;
    }

    private static void awaitHost(Lab lab, int mib) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + HOST.toNanos();
        long now = hostMib(lab);
        while (now > mib + SLACK_MIB) {
            assertTrue(System.nanoTime() < deadline, "the host has given it " + now + " MiB");
            Thread.sleep(POLL_MILLIS);
            now = hostMib(lab);
        }
    }

    @Test
    void memoryThatAGuestGivesUpGoesBackToTheHostAndCanBeHadAgain(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        try (LabGuest guest = boot(daemon, "--memory", "512M")) {
            fill(guest);
            assertTrue(hostMib(lab) > FILL_MIB, hostMib(lab) + " MiB");

            assertEquals("ok\n", daemon.ask("mem-set balloon 256"));
            awaitOwned(daemon, 256);
            awaitHost(lab, 256);
            assertTrue(totalMib(guest) < 256, totalMib(guest) + " MiB");

            assertEquals("ok\n", daemon.ask("mem-set balloon 512m"));
            awaitOwned(daemon, 512);
            assertTrue(totalMib(guest) > FILL_MIB, totalMib(guest) + " MiB");
            fill(guest);
            guest.shell().assertNoComplaint();
            assertEquals("ok\n", daemon.ask("shutdown balloon wait"));
            guest.awaitEnd("poweroff");
        }
    }

    @Test
    void guestGrowsBeyondTheMemoryOfItsStart(Lab lab) throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        try (LabGuest guest = boot(daemon, "--memory", "256M", "--maxmem", "512M")) {
            // It owns no more from its start on, and its balloon driver gives up what it sees
            // beyond.
            awaitOwned(daemon, 256);
            long before = awaitTotalBelow(guest, 256);

            assertEquals("ok\n", daemon.ask("mem-set balloon 512M"));
            awaitOwned(daemon, 512);
            assertTrue(totalMib(guest) >= before + 255, totalMib(guest) + " MiB");
            fill(guest);
            assertTrue(daemon.ask("mem-set balloon 513").startsWith("error: balloon: 513 MiB"));
            assertTrue(daemon.ask("mem-max balloon 1G").startsWith("error: balloon: 1024 MiB"));
            guest.shell().assertNoComplaint();
            assertEquals("ok\n", daemon.ask("shutdown balloon wait"));
            guest.awaitEnd("poweroff");
        }
    }
}
