package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.lab.GuestProgram;
import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Md5Sums;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux enters another kernel by kexec, for which it asks Xen for a soft reset. It is the same kernel again. A disk
/// of the service, and an operator's SysRq and debug keys, reach both.
@ExtendWith(LabExtension.class)
class KexecIT {
    private static final String NAME = "again";
    private static final String IMAGE = "/run/again.img";
    private static final String COMMAND_LINE =
            "console=hvc0 panic=-1 rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 next=1";

    @Test
    void guestGoesOnInAnotherKernelWithConsoleAndXenStore(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        GuestProgram kernel = GuestProgram.of(lab.images().kernel("6.12").image());
        List<GuestProgram> tools =
                List.of(
                        lab.images().xenstoreTool("xenstore-read"),
                        lab.images().xenstoreTool("xenstore-write"));
        GuestProgram initramfs = GuestProgram.of(initramfs(lab, tools));
        List<GuestProgram> programs = new ArrayList<>(tools);
        programs.addAll(List.of(kernel, initramfs, lab.images().kexec()));
        List<String> options =
                LinuxImages.arguments(lab, "6.12", Optional.empty(), programs, "--vcpus", "2");
        try (LabGuest guest = daemon.boot(NAME, options)) {
            GuestShell shell = guest.shell();
            shell.awaitBoot();
            int id = guest.id();
            sysrqReachesTheGuest(daemon, guest);
            shell.run("xenstore-write data/mine first");
            lab.shell("dd if=/dev/urandom of=%s bs=1M count=4".formatted(IMAGE));
            assertEquals(
                    "ok\n", daemon.ask("block-attach %s file:%s,xvda,w".formatted(NAME, IMAGE)));
            String disk = diskSum(shell);
            String loaded =
                    shell.run(
                            "kexec -s -l /bin/%s --initrd=/bin/%s --command-line='%s' && echo it is there"
                                    .formatted(
                                            kernel.file().getFileName(),
                                            initramfs.file().getFileName(),
                                            COMMAND_LINE));
            assertTrue(loaded.contains("\nit is there"), loaded);

            guest.console().type("kexec -e\n");
            shell.awaitBoot();

            assertEquals(id, guest.id());
            assertTrue(daemon.process().output().contains("(" + NAME + "): soft reset"));
            String found =
                    shell.run(
                            "cat /proc/cmdline; xenstore-read name domid store/port; "
                                    + "xenstore-read data/mine || echo nothing of the first; "
                                    + "cat /sys/devices/system/cpu/online; "
                                    + "cat /sys/devices/system/clocksource/clocksource0/current_clocksource");
            assertAll(
                    () -> assertTrue(found.contains("next=1"), found),
                    () -> assertTrue(found.contains("\n" + NAME), found),
                    () -> assertTrue(found.contains("\n" + id), found),
                    () -> assertTrue(found.contains("\nnothing of the first"), found),
                    () -> assertTrue(found.contains("\n0-1"), found),
                    () -> assertTrue(found.contains("\nxen"), found));
            assertEquals(disk, diskSum(shell), "the disk that the service serves");
            sysrqReachesTheGuest(daemon, guest);
            debugKeysShowTheGuest(daemon);
            shell.assertNoComplaint();
            assertEquals("ok\n", daemon.ask("shutdown " + NAME));
            guest.awaitEnd("poweroff");
        }
        daemon.assertNoBug();
        lab.shell("rm " + IMAGE);
    }

    /// The checksum of its disk, as the guest reads it.
    private static String diskSum(GuestShell shell) throws IOException, InterruptedException {
        String output =
                shell.run(
                        "modprobe xen-blkfront; while ! test -b /dev/xvda; do sleep 0.1; done;"
                                + " md5sum /dev/xvda");
        return Md5Sums.in(output);
    }

    /// The files of the next kernel's root.
    private static Path initramfs(Lab lab, List<GuestProgram> tools) throws IOException {
        List<String> options = LinuxImages.arguments(lab, "6.12", Optional.empty(), tools);
        return Path.of(options.get(options.indexOf("--initrd") + 1));
    }

    private static void sysrqReachesTheGuest(LabDaemon daemon, LabGuest guest)
            throws IOException, InterruptedException {
        assertEquals("ok\n", daemon.ask("sysrq " + NAME + " h"));
        guest.shell().run("until dmesg | grep -q 'sysrq: HELP'; do sleep 0.1; done");
    }

    private static void debugKeysShowTheGuest(LabDaemon daemon)
            throws IOException, InterruptedException {
        String shown = daemon.ask("debug-keys *");
        assertAll(
                () -> assertTrue(shown.contains(": one-shot timer at "), shown),
                () -> assertTrue(shown.contains(": rip 0010:ffff"), shown),
                () -> assertTrue(shown.contains("connected to port"), shown),
                () -> assertTrue(shown.contains(": version 1, "), shown),
                () -> assertTrue(shown.contains(": owns 1"), shown),
                () -> assertTrue(shown.contains("runs, 512 MiB, 2 vCPUs, of which 2"), shown),
                () -> assertTrue(shown.contains(" s of CPU time"), shown),
                () -> assertTrue(shown.contains(": system time "), shown),
                () -> assertTrue(shown.contains(", cr0 80050033 "), shown),
                () -> assertFalse(shown.contains("gives no answer"), shown));
    }
}
