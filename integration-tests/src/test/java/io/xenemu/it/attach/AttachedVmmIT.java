package io.xenemu.it.attach;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.base.Splitter;
import io.xenemu.core.lab.CacheFolder;
import io.xenemu.it.fixture.BiosGrub;
import io.xenemu.it.fixture.BootDisk;
import io.xenemu.it.fixture.CheckReport;
import io.xenemu.it.fixture.GuestShell;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.KnownDifferences;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.SmallDisk;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Guests of VMMs in other processes, which the service serves.
@Needs({
    HostPackage.GCC,
    HostPackage.LIBC,
    HostPackage.LINUX_HEADERS,
    HostPackage.XEN_HEADERS,
    HostPackage.GRUB_XEN,
    HostPackage.FDISK
})
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AttachedVmmIT {
    private static final int CHECKS_AT_LEAST = 700;

    private static final int KILLS = 8;
    private static final long LONGEST_MILLIS = 3000;

    /// The end of a guest whose VMM has gone takes a moment.
    private static final Duration LIMIT = Duration.ofMinutes(2);

    private static final long POLL_MILLIS = 300;
    private static final Path MODULE = Path.of("").toAbsolutePath();

    private final Lab lab;
    private final TestGuests guests;

    AttachedVmmIT(Lab lab) throws IOException, InterruptedException {
        this.lab = lab;
        guests = TestGuests.build(MODULE, MODULE.resolve("target/guests"));
    }

    /// Runs a test guest on the small VMM.
    private CheckReport run(String settings, int bits, String append) throws Exception {
        LabDaemon daemon = LabDaemon.shared(lab);
        RunningCommand vmm =
                lab.startRunning(
                        List.of(
                                guests.vmm().toString(),
                                daemon.attach(),
                                settings,
                                "256",
                                "2",
                                guests.hypercalls(bits).toString(),
                                append));
        assertEquals(0, vmm.awaitExit(), vmm.output());
        CheckReport report = CheckReport.parse(vmm.output());
        assertTrue(report.complete(), vmm.output());
        return report;
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void hypercallsAreAnsweredAsInOwnMachine(int bits) throws Exception {
        CheckReport report = run("name=attached,max_event_channels=4095", bits, "");
        KnownDifferences.assertExactly(report, "ours-differences.txt");
        assertTrue(report.passed().size() > CHECKS_AT_LEAST, () -> "too few: " + report);
    }

    /// VMMs that are killed at any moment: as they attach, while the service makes the domain, in the middle of
    /// hypercalls.
    @Test
    void killedVmmLeavesNothing() throws Exception {
        LabDaemon daemon = LabDaemon.shared(lab);
        killAfter(daemon, LONGEST_MILLIS);
        String before = daemon.held();
        Random random = new Random();
        for (int i = 0; i < KILLS; i++) {
            // Many moments of the attachment, and some of the guest's run.
            killAfter(daemon, random.nextLong(i % 2 == 0 ? 300 : LONGEST_MILLIS));
        }
        long deadline = System.nanoTime() + LIMIT.toNanos();
        String after = daemon.held();
        while (!after.equals(before) && System.nanoTime() < deadline) {
            Thread.sleep(POLL_MILLIS);
            after = daemon.held();
        }
        assertEquals(before, after);
        daemon.assertNoBug();
    }

    private void killAfter(LabDaemon daemon, long millis) throws Exception {
        String _ =
                lab.shell(
                        "%s %s name=killed 256 2 %s '' > /dev/null 2>&1 & p=$!; sleep %d.%03d; kill -9 $p; wait $p || true"
                                .formatted(
                                        guests.vmm(),
                                        daemon.attach(),
                                        guests.hypercalls(64),
                                        millis / 1000,
                                        millis % 1000));
    }

    /// An unmodified QEMU, with no Xen emulation of its own.
    private List<String> qemu(LabDaemon daemon, String settings, List<String> options)
            throws IOException {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "/usr/bin/env",
                                "LD_PRELOAD=" + guests.preload(),
                                "XEN_EMU_ATTACH=" + daemon.attach(),
                                "XEN_EMU_SETTINGS=" + settings,
                                lab.images().qemu().toString()));
        command.addAll(List.of("-accel", "kvm", "-cpu", "host", "-m", "384", "-smp", "2"));
        command.addAll(List.of("-machine", "pc,memory-backend=ram", "-nodefaults"));
        command.addAll(List.of("-object", "memory-backend-memfd,id=ram,size=384M,share=on"));
        command.addAll(List.of("-display", "none", "-serial", "stdio"));
        command.addAll(options);
        return command;
    }

    /// Firmware of QEMU's, then Linux with two vCPUs and a disk of the service; the machine is reset once.
    @Test
    void unmodifiedQemuHasLinuxServed() throws Exception {
        LabDaemon daemon = LabDaemon.shared(lab);
        List<String> linux = LinuxImages.arguments(lab, "6.12", Optional.empty());
        List<String> options = new ArrayList<>();
        options.addAll(List.of("-kernel", value(linux, "--kernel")));
        options.addAll(List.of("-initrd", value(linux, "--initrd")));
        options.addAll(List.of("-append", "console=ttyS0 panic=-1"));
        lab.shell("truncate -s 8M /run/attached.img");
        RunningCommand vmm =
                lab.startRunning(
                        qemu(daemon, "name=qemu\ndisk=/run/attached.img,raw,xvda,w\n", options));
        GuestShell shell = new GuestShell(vmm);
        shell.awaitBoot();
        works(shell, "echo first > /dev/xvda && sync");
        int id = daemon.id("qemu");
        String upgrade = daemon.ask("upgrade");
        assertTrue(upgrade.contains("qemu: kvm: its VM belongs to an attached VMM"), upgrade);
        vmm.type("reboot -f\n");
        shell.awaitBoot();
        works(shell, "head -c 5 /dev/xvda | grep -q first");
        assertEquals(id, daemon.id("qemu"));
        vmm.type("poweroff -f\n");
        assertEquals(0, vmm.awaitExit(), vmm.output());
        daemon.assertNoBug();
    }

    /// A guest of `create --device-model`: SeaBIOS starts GRUB from the emulated IDE disk, GRUB its Linux. That unplugs
    /// the emulated disk, and goes on from the PV disk with the same image. It reboots, and then its QEMU is killed.
    @Test
    void diskImageBootsByFirmwareAndGoesOnWithItsPvDisk() throws Exception {
        LabDaemon daemon = LabDaemon.shared(lab);
        Path folder = Files.createTempDirectory(MODULE.resolve("target/guests"), "hvm-");
        String prompt;
        try {
            BootDisk disk = SmallDisk.make(lab.images(), folder);
            BiosGrub.install(lab.images(), disk.image());
            prompt = disk.prompt();
            lab.shell("cp --sparse=always %s /run/hvm.img".formatted(disk.image()));
        } finally {
            CacheFolder.deleteTree(folder);
        }
        List<String> options = new ArrayList<>();
        options.addAll(List.of("--device-model", lab.images().qemu().toString()));
        options.addAll(List.of("--memory", "256M", "--vcpus", "2"));
        options.addAll(List.of("--disk", "/run/hvm.img,raw,xvda,w"));
        try (LabGuest guest = daemon.boot("hvm", options)) {
            logsIn(guest, prompt, 1);
            guest.console().type("reboot\n");
            logsIn(guest, prompt, 2);
            lab.shell("kill -9 $(pidof qemu-system-x86_64)");
            daemon.process().awaitText("hvm: its device model has gone (exit code 137)");
            assertEquals(0, guest.console().awaitExit(), guest.console().output());
        }
        daemon.assertNoBug();
        lab.shell("rm /run/hvm.img");
    }

    /// @param prompt of its shell
    /// @param boots how often it has booted
    private static void logsIn(LabGuest guest, String prompt, int boots) throws Exception {
        guest.console().awaitText("booted login: ", boots);
        int prompts = Splitter.on(prompt).splitToList(guest.console().output()).size() - 1;
        guest.console().type("root\n");
        // What is typed before the prompt is lost.
        guest.console().awaitText(prompt, prompts + 1);
        String output =
                guest.shell()
                        .run(
                                "grep '^/dev/xvda1 / ' /proc/mounts"
                                        + " && ! grep 0x0101 /sys/bus/pci/devices/*/class"
                                        + " && echo it 'works'");
        assertTrue(output.contains("it works"), output);
    }

    /// @param disk what is done with the disk
    private static void works(GuestShell shell, String disk) throws Exception {
        String output =
                shell.run(
                        "test \"$(cat /sys/hypervisor/type) $(nproc)\" = 'xen 2'"
                                // QEMU's IDE controller is unplugged, and Xen's device is there.
                                + " && ! grep 0x0101 /sys/bus/pci/devices/*/class"
                                + " && grep 0x5853 /sys/bus/pci/devices/*/vendor"
                                + " && modprobe xen-blkfront"
                                + " && while ! test -e /dev/xvda; do sleep 0.1; done && "
                                + disk
                                + " && echo it 'works'");
        assertTrue(output.contains("it works"), output);
    }

    private static String value(List<String> arguments, String option) {
        return arguments.get(arguments.indexOf(option) + 1);
    }
}
