package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.GuestShell;
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
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux finds the devices of its platform, and uses a vCPU that has no place in shared_info.
@Needs(HostPackage.XENSTORE_UTILS)
@ExtendWith(LabExtension.class)
class PlatformIT {
    /// As many as a guest may have.
    private static final int VCPUS = 128;

    private static final int LAST = VCPUS - 1;
    private static final long CLOCK_OFFSET = 86_400;

    /// The most by which two clocks may differ that a loaded lab reads one after the other.
    private static final long SLACK_SECONDS = 60;

    /// Prints the event device of the power button.
    private static final String POWER_EVENT =
            "awk '/Power Button/{p=1} p&&match($0,/event[0-9]+/)"
                    + "{print substr($0,RSTART,RLENGTH); exit}' /proc/bus/input/devices";

    @Test
    void linuxFindsClockGenerationIdButtonsAndItsLastVcpu(Lab lab)
            throws IOException, InterruptedException {
        List<String> arguments =
                LinuxImages.arguments(
                        lab,
                        "6.12",
                        Optional.empty(),
                        "--vcpus",
                        "1",
                        "--maxvcpus",
                        Integer.toString(VCPUS),
                        "--ms-vm-genid",
                        "generate",
                        "--rtc-timeoffset",
                        Long.toString(CLOCK_OFFSET));
        // Linux starts all vCPUs of the MADT before it reads from XenStore that most are to be
        // offline.
        arguments.replaceAll(word -> word.replace("console=hvc0", "console=hvc0 maxcpus=1"));
        LabDaemon daemon = LabDaemon.shared(lab);
        try (LabGuest guest = daemon.boot("platform", arguments)) {
            GuestShell shell = guest.shell();
            shell.awaitBoot();
            bootLogIsClean(shell);
            driversAreBound(shell);
            clocksHaveTheOffset(lab, shell);
            lastVcpuWorks(daemon, shell);
            shell.assertNoComplaint();
            powerButtonReachesAProgram(daemon, guest);
        }
    }

    private static void bootLogIsClean(GuestShell shell) throws IOException, InterruptedException {
        String log = shell.run("dmesg");
        // Linux says so only if the ports have Xen's magic value and protocol.
        assertTrue(log.contains("platform_pci_unplug: Blkfront and the Xen platform"), log);
        for (String complaint :
                List.of("unrecognised magic", "blacklisted", "ACPI Error", "Firmware Bug")) {
            assertFalse(log.contains(complaint), () -> complaint + "\n" + log);
        }
    }

    private static void driversAreBound(GuestShell shell) throws IOException, InterruptedException {
        String drivers = shell.run("modprobe button; ls -d /sys/bus/*/drivers/*/*:*");
        String inputs = shell.run("cat /proc/bus/input/devices");
        String interrupts = shell.run("cat /proc/interrupts");
        assertAll(
                () -> assertTrue(drivers.contains("/vmgenid/XEN0000:00"), drivers),
                () -> assertTrue(drivers.contains("/acpi-ged/ACPI0013:00"), drivers),
                () -> assertTrue(inputs.contains("Power Button"), inputs),
                () -> assertTrue(inputs.contains("Sleep Button"), inputs),
                () -> assertTrue(interrupts.contains("ACPI:Ged"), interrupts));
    }

    private static void clocksHaveTheOffset(Lab lab, GuestShell shell)
            throws IOException, InterruptedException {
        String name = shell.run("cat /sys/class/rtc/rtc0/name");
        assertTrue(name.contains("rtc_cmos"), name);
        long host = Long.parseLong(lab.shell("date +%s").strip());
        long rtc = number(shell, "echo \"<$(cat /sys/class/rtc/rtc0/since_epoch)>\"");
        long system = number(shell, "echo \"<$(date +%s)>\"");
        assertAll(
                () -> assertEquals(0, (rtc - host - CLOCK_OFFSET) / SLACK_SECONDS),
                () -> assertEquals(0, (system - host - CLOCK_OFFSET) / SLACK_SECONDS));
    }

    private static long number(GuestShell shell, String command)
            throws IOException, InterruptedException {
        String output = shell.run(command);
        Matcher found = Pattern.compile("<(\\d+)>").matcher(output);
        assertTrue(found.find(), output);
        return Long.parseLong(found.group(1));
    }

    private static void lastVcpuWorks(LabDaemon daemon, GuestShell shell)
            throws IOException, InterruptedException {
        assertEquals("ok\n", daemon.ask("vcpu-set platform " + VCPUS));
        String online =
                shell.run(
                        "f=/sys/devices/system/cpu/cpu%d/online; for i in $(seq 100); do"
                                        .formatted(LAST)
                                + " echo 1 >$f && break; sleep 0.2; done 2>/dev/null;"
                                + " cat /sys/devices/system/cpu/online");
        assertTrue(online.contains("0," + LAST), online);
        assertEquals(
                LAST,
                number(
                        shell,
                        "taskset -c %d sh -c 'echo \"<$(cut -d\" \" -f39 /proc/self/stat)>\"'"
                                .formatted(LAST)));
        String timer = shell.run("grep timer%d /proc/interrupts".formatted(LAST));
        assertTrue(timer.contains("timer" + LAST), timer);
    }

    private static void powerButtonReachesAProgram(LabDaemon daemon, LabGuest guest)
            throws IOException, InterruptedException {
        GuestShell shell = guest.shell();
        // A key is only seen by a program that has opened the device before.
        shell.run(
                "modprobe evdev; d=/dev/input/$("
                        + POWER_EVENT
                        + "); (exec 5<$d; : >/tmp/open; head -c 24 <&5 >/tmp/key && poweroff -f) &"
                        + " while ! test -e /tmp/open; do sleep 0.1; done");
        assertEquals("ok\n", daemon.ask("trigger platform power"));
        guest.awaitEnd("poweroff");
    }
}
