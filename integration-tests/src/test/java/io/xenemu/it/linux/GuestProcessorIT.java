package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux sees the processor that its operator has chosen.
@ExtendWith(LabExtension.class)
class GuestProcessorIT {
    private static final String LOOK =
            "grep -m1 ^flags /proc/cpuinfo; nproc; dmesg | grep -i -e hypervisor -e 'Xen version'"
                    + " -e unchecked; cat /sys/devices/system/clocksource/*/current_clocksource";

    private static String look(LabDaemon daemon, String name, String... options)
            throws IOException, InterruptedException {
        try (LabGuest guest =
                daemon.boot(
                        name,
                        LinuxImages.arguments(daemon.lab(), "6.12", Optional.empty(), options))) {
            guest.shell().awaitBoot();
            String seen = guest.shell().run(LOOK);
            guest.shell().assertNoComplaint();
            assertTrue(seen.contains("Hypervisor detected: Xen"), seen);
            assertFalse(seen.contains("unchecked MSR"), seen);
            return seen;
        }
    }

    private static boolean hasFlag(String seen, String flag) {
        String flags =
                seen.lines().filter(line -> line.startsWith("flags")).findFirst().orElseThrow();
        return List.of(flags.split(" ")).contains(flag);
    }

    @Test
    void guestHasTheBaselineOfItsHostWithoutWhatIsTurnedOff(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        String file = "/tmp/host.cpu";
        Lab.Result written =
                lab.exec(
                        Duration.ofMinutes(2),
                        List.of(lab.launcher().toString(), "cpu-policy", "-o", file));
        assertEquals(new Lab.Result(0, "", ""), written);
        String policy = lab.shell("cat " + file);
        assertTrue(policy.startsWith("xen-emu-cpu-policy 1\n"), policy);
        assertTrue(policy.contains(" rdrand"), policy);

        String seen =
                look(
                        daemon,
                        "baseline",
                        "--vcpus",
                        "2",
                        "--cpu-baseline",
                        file,
                        "--cpuid",
                        "host,rdrand=0,sse4_1=0",
                        "--tsc-mode",
                        "native");

        assertFalse(hasFlag(seen, "rdrand"), seen);
        assertFalse(hasFlag(seen, "sse4_1"), seen);
        assertFalse(hasFlag(seen, "sse4_2"), seen);
        assertTrue(hasFlag(seen, "sse3") || hasFlag(seen, "pni"), seen);
        assertTrue(hasFlag(seen, "x2apic"), seen);
        assertFalse(hasFlag(seen, "svm"), seen);
        assertTrue(seen.lines().anyMatch("2"::equals), seen);
        assertTrue(seen.lines().anyMatch("xen"::equals), seen);
    }

    @Test
    void guestMaySeeHyperVAndHaveGuestsOfItsOwn(Lab lab) throws IOException, InterruptedException {
        String seen =
                look(
                        LabDaemon.shared(lab),
                        "viridian",
                        "--vcpus",
                        "2",
                        "--viridian",
                        "defaults,stimer",
                        "--nestedhvm=1");

        assertTrue(hasFlag(seen, "svm") || hasFlag(seen, "vmx"), seen);
        assertTrue(seen.lines().anyMatch("2"::equals), seen);
    }

    @Test
    void guestThatTheHostCannotHaveIsRefusedInOneLine(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        Lab.Result refused =
                daemon.exec(
                        "create",
                        LinuxImages.arguments(
                                lab, "6.12", Optional.empty(), "--cpuid", "host,amx-tile=1"));
        assertTrue(
                refused.stderr().contains("cpuid: a guest of this host cannot have amx-tile"),
                refused.stderr());
        assertEquals(1, refused.stderr().lines().count());
    }
}
