package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// An unmodified kernel boots as a Xen guest, says so in its log, and powers off in order. `bin/soak boots` has many.
@ExtendWith(LabExtension.class)
class LinuxBootIT {
    private static final String REPORT =
            """
            echo "type=$(cat /sys/hypervisor/type)"
            echo "version=$(cat /sys/hypervisor/version/major).$(cat /sys/hypervisor/version/minor)$(cat /sys/hypervisor/version/extra)"
            echo "uuid=$(cat /sys/hypervisor/uuid)"
            echo "features=$(cat /sys/hypervisor/properties/features)"
            echo "cpus=$(cat /sys/devices/system/cpu/online)"
            echo "clocksource=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
            echo "bus=$(ls -d /sys/bus/xen)"
            echo "console=$(cat /sys/class/tty/console/active)"
            cat /proc/interrupts
            sleep 1
            cat /proc/interrupts | sed 's/^/LATER /'
            dmesg
            """;

    @ParameterizedTest(name = "Linux {0} with {1} vCPUs")
    @CsvSource({"6.12,1", "6.12,2", "6.12,4", "6.1,2"})
    void bootsAsXenGuestAndPowersOff(String series, int vcpus, Lab lab)
            throws IOException, InterruptedException {
        String output =
                boot(
                        lab,
                        LinuxImages.arguments(
                                lab,
                                series,
                                Optional.of(REPORT),
                                "--vcpus",
                                Integer.toString(vcpus)));
        String cpus = vcpus == 1 ? "cpus=0" : "cpus=0-" + (vcpus - 1);
        assertAll(
                () -> assertPrinted(output, "Hypervisor detected: Xen"),
                () -> assertPrinted(output, "type=xen"),
                () -> assertPrinted(output, "version=4.19.0-xen-emu"),
                () -> assertPrinted(output, "features=001d2305"),
                () -> assertPrinted(output, cpus),
                () -> assertPrinted(output, "clocksource=xen"),
                () -> assertPrinted(output, "bus=/sys/bus/xen"),
                () -> assertPrinted(output, "console=hvc0"),
                () ->
                        assertPrinted(
                                output, "Xen HVM callback vector for event delivery is enabled"),
                () -> assertPrinted(output, "Using 2-level ABI"),
                () -> assertPrinted(output, "Grant tables using version 1 layout"),
                () -> assertPrinted(output, "Grant table initialized"),
                () -> assertFalse(output.contains("unrecognised magic"), output),
                () -> assertFalse(output.contains("Unable to read"), output),
                () -> assertFalse(output.contains("Error -"), output),
                () -> assertFalse(output.contains("Call Trace"), output));
        for (int cpu = 0; cpu < vcpus; cpu++) {
            assertCounting(output, "timer" + cpu, cpu);
            assertPrinted(output, "installing Xen timer for CPU " + cpu);
        }
        if (vcpus > 1) {
            assertPositive(output, "callfuncsingle0", 0);
            assertPositive(output, "resched1", 1);
        }
    }

    private static String boot(Lab lab, List<String> options)
            throws IOException, InterruptedException {
        try (LabGuest guest = LabDaemon.shared(lab).boot("linux", options)) {
            return guest.awaitEnd("poweroff");
        }
    }

    private static void assertPrinted(String output, String text) {
        assertTrue(output.contains(text), () -> "not printed: " + text + "\n" + output);
    }

    private static void assertPositive(String output, String interrupt, int cpu) {
        assertTrue(count(output, "", interrupt, cpu) > 0, interrupt + "\n" + output);
    }

    private static void assertCounting(String output, String interrupt, int cpu) {
        long before = count(output, "", interrupt, cpu);
        long after = count(output, "LATER ", interrupt, cpu);
        assertTrue(before > 0 && after > before, interrupt + "\n" + output);
    }

    /// The count of an interrupt in the column of one CPU of /proc/interrupts.
    private static long count(String output, String prefix, String interrupt, int cpu) {
        Matcher line =
                Pattern.compile(
                                "^"
                                        + prefix
                                        + "\\s*\\d+:((?:\\s+\\d+)+)\\s+xen-percpu.* "
                                        + interrupt
                                        + "\\s*$",
                                Pattern.MULTILINE)
                        .matcher(output);
        assertTrue(line.find(), () -> "no interrupt " + interrupt + "\n" + output);
        return Long.parseLong(line.group(1).strip().split("\\s+", -1)[cpu]);
    }
}
