package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.lab.GuestProgram;
import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabBridge;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Md5Sums;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.PerlControl;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Linux enters another kernel by kexec, or after a crash, for which it asks Xen for a soft reset. It is the same
/// kernel again. A disk, a network interface and a share of the service, and an operator's SysRq and debug keys, reach
/// both.
@Needs({HostPackage.XENSTORE_UTILS, HostPackage.IPROUTE, HostPackage.BINUTILS})
@ExtendWith(LabExtension.class)
class KexecIT {
    private static final String NAME = "again";
    private static final String FOLDER = "/run/again";
    private static final String IMAGE = FOLDER + "/image";
    private static final String SHARE = FOLDER + "/share";
    private static final String BRIDGE = "kexecbr0";
    private static final String HOST_IP = "10.78.0.1";
    private static final String GUEST_IP = "10.78.0.2";

    /// Room for the memory of a guest of 384 MiB.
    private static final int CORE_MIB = 400;

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
            lab.shell(
                    "mkdir -p %s; dd if=/dev/urandom of=%s bs=1M count=4".formatted(FOLDER, IMAGE));
            Devices devices = new Devices(lab, daemon, shell);
            devices.attach();
            devices.work();
            String disk = diskSum(shell);
            // The disk is read, and a file of the share is open, when the kernel goes.
            shell.run(
                    "(while :; do dd if=/dev/xvda of=/dev/null bs=64k 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches; done) & exec 8</mnt/file");
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
            devices.work();
            assertEquals(disk, diskSum(shell), "the disk that the service serves");
            sysrqReachesTheGuest(daemon, guest);
            debugKeysShowTheGuest(daemon);
            shell.assertNoComplaint();
            assertEquals("ok\n", daemon.ask("shutdown " + NAME));
            guest.awaitEnd("poweroff");
        } finally {
            lab.shell("rm -rf " + FOLDER);
            LabBridge.remove(lab, BRIDGE);
        }
        daemon.assertNoBug();
    }

    @Test
    void crashKernelSavesTheMemoryOfTheDeadOneToADisk(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        GuestProgram kernel = GuestProgram.of(lab.images().kernel("6.12").image());
        GuestProgram initramfs = GuestProgram.of(initramfs(lab, List.of()));
        List<String> options =
                new ArrayList<>(
                        LinuxImages.arguments(
                                lab,
                                "6.12",
                                Optional.empty(),
                                List.of(kernel, initramfs, lab.images().kexec()),
                                "--memory",
                                "384M",
                                "--vcpus",
                                "2"));
        int append = options.indexOf("--append") + 1;
        options.set(append, options.get(append) + " crashkernel=160M");
        lab.shell("mkdir -p %s; truncate -s %dM %s".formatted(FOLDER, CORE_MIB, IMAGE));
        try (LabGuest guest = daemon.boot(NAME, options)) {
            GuestShell shell = guest.shell();
            shell.awaitBoot();
            int id = guest.id();
            Devices devices = new Devices(lab, daemon, shell);
            devices.attach();
            devices.work();
            String loaded =
                    shell.run(
                            "kexec -s -p /bin/%s --initrd=/bin/%s --command-line='%s maxcpus=1 reset_devices'; echo it is $(cat /sys/kernel/kexec_crash_loaded)."
                                    .formatted(
                                            kernel.file().getFileName(),
                                            initramfs.file().getFileName(),
                                            COMMAND_LINE));
            assertTrue(loaded.contains("\nit is 1."), loaded);

            // Not on the first vCPU, which stays halted in the dead kernel.
            guest.console().type("taskset 2 sh -c 'echo c > /proc/sysrq-trigger'\n");
            shell.awaitBoot();

            assertEquals(id, guest.id());
            devices.work();
            shell.run("dd if=/proc/vmcore of=/dev/xvda bs=1M conv=fsync");
            String core =
                    lab.shell(
                            "readelf -hW %1$s; grep -c -a -m 1 OSRELEASE=6.12 %1$s"
                                    .formatted(IMAGE));
            assertTrue(core.contains("CORE (Core file)"), core);
            assertTrue(core.endsWith("\n1\n"), core);
            guest.destroy();
        } finally {
            lab.shell("rm -rf " + FOLDER);
            LabBridge.remove(lab, BRIDGE);
        }
        daemon.assertNoBug();
    }

    /// A disk, a network interface and a share of the service's.
    private record Devices(Lab lab, LabDaemon daemon, GuestShell guest) {
        void attach() throws IOException, InterruptedException {
            lab.shell("mkdir -p %1$s; echo shared >%1$s/file".formatted(SHARE));
            LabBridge.add(lab, BRIDGE, HOST_IP + "/24");
            attach("block-attach", "file:" + IMAGE + ",xvda,w");
            attach("network-attach", "mac=00:16:3e:0a:0b:0d,bridge=" + BRIDGE);
            attach("9pfs-attach", "tag=data,path=" + SHARE);
        }

        private void attach(String verb, String spec) throws IOException, InterruptedException {
            String request = verb + " " + NAME + " " + PerlControl.word(spec);
            assertEquals("ok\n", daemon.ask(request));
        }

        /// A kernel that has just booted uses each of them.
        void work() throws IOException, InterruptedException {
            guest.run("modprobe xen-blkfront; while ! test -b /dev/xvda; do sleep 0.1; done");
            guest.run(
                    "modprobe xen-netfront; while ! ifconfig eth0 "
                            + GUEST_IP
                            + " netmask 255.255.255.0 up; do sleep 0.2; done");
            guest.run("while ! ping -c 1 -W 1 " + HOST_IP + "; do :; done");
            guest.run(
                    "modprobe 9pnet_xen; modprobe 9p; mkdir -p /mnt; while ! mount -t 9p -o trans=xen,version=9p2000.L data /mnt; do sleep 0.2; done");
            String read = guest.run("cat /mnt/file");
            assertTrue(read.contains("\nshared"), read);
        }
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
