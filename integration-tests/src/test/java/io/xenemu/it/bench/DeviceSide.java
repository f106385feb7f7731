package io.xenemu.it.bench;

import io.xenemu.it.fixture.Vmm;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// One of the sides that [DeviceBenchmark] compares: a guest's devices, or the machine below without a guest.
enum DeviceSide {
    /// The lab machine itself: its file, its loopback, its folder.
    FLOOR("", ""),
    /// The Xen devices of this service.
    OURS(
            "modprobe -a xen-blkfront xen-netfront 9pnet_xen 9p",
            "mount -t 9p -o trans=xen,version=9p2000.L,msize=524288 data /mnt"),
    /// The Xen devices of the peer. It has no 9p that a guest finds without Xen's toolstack.
    PEER("modprobe -a xen-blkfront xen-netfront", ""),
    /// The virtio devices of the same QEMU, which a user would pick instead.
    VIRTIO(
            "modprobe -a virtio_blk virtio_net 9pnet_virtio 9p",
            "mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 data /mnt"),
    /// Linux's back ends in another guest of this service. They serve no folders.
    DRIVER("modprobe -a xen-blkfront xen-netfront", "");

    /// The guest's modules for virtio, beside those that all test guests have. Debian's kernels have virtio_pci built
    /// in.
    static final List<String> MODULES = List.of("virtio_blk", "virtio_net", "9pnet_virtio");

    /// What the guest prints when its drivers are loaded.
    static final String LOADED = "drivers are there";

    /// What the guest prints when its disk and its network are there.
    static final String READY = "devices are there";

    private static final String NAME = "device-benchmark";
    static final String BRIDGE = "xebench0";
    static final String HOST_IP = "10.78.0.1";
    private static final String FOLDER = "/run/device-benchmark";
    static final String IMAGE = FOLDER + "/disk.img";
    static final String SHARE = FOLDER + "/share";

    /// The peer's and virtio's; ours are made by the service.
    static final String TAP = "xebenchtap";

    /// As the driver domain's script has it for the first interface.
    private static final String DRIVER_IP = "10.0.0.1";

    private static final String MAC = "00:16:3e:0a:0b:0d";
    private static final String MEMORY_MIB = "512";

    /// The JVM interprets code until it has run some thousand times. On hardware that is a moment, and in the lab
    /// longer than a cell. So it compiles what serves devices after a few runs.
    private static final String COMPILED_EARLY =
            Stream.of(
                            "io.xenemu",
                            "io.micrometer",
                            "java.lang.foreign",
                            "java.lang.invoke",
                            "java.util",
                            "jdk.internal.foreign",
                            "jdk.internal.misc")
                    .map(packages ->
                            " -XX:CompileCommand=CompileThresholdScaling,"
                                    + packages
                                    + ".*::*,0.05")
                    .collect(
                            Collectors.joining(
                                    "", "XEN_EMU_JAVA_OPTS=-XX:CompileCommand=quiet", ""));

    /// How ours is compiled.
    enum Compiler {
        /// As the launcher has it in the lab.
        C1(""),
        /// As it has it on hardware, which takes a longer time to warm up here.
        C2(" -XX:TieredStopAtLevel=4");

        private final String option;

        Compiler(String option) {
            this.option = option;
        }
    }

    /// The time of a cell, in seconds.
    ///
    /// @param warming the time of the same load before it
    record CellTime(double seconds, double warming) {}

    private final String drivers;
    private final String mount;

    DeviceSide(String drivers, String mount) {
        this.drivers = drivers;
        this.mount = mount;
    }

    /// Its name in tables, and as an option.
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /// Whether it has the device of a cell.
    boolean has(DeviceCell cell) {
        return (this != PEER && this != DRIVER) || cell.kind() != DeviceCell.Kind.FILES;
    }

    /// Where the other end of the network answers.
    String server() {
        return this == DRIVER ? DRIVER_IP : HOST_IP;
    }

    /// What runs the cells that it has: in a guest, or in the lab machine.
    ///
    /// @param load the program
    String script(String load, List<DeviceCell> cells, CellTime time) {
        StringBuilder script = new StringBuilder("set -e\n");
        if (this != FLOOR) {
            script.append(drivers).append("\necho ").append(LOADED).append('\n');
            script.append("for i in $(seq 100); do test -b ")
                    .append(disk())
                    .append(" && test -e /sys/class/net/eth0 && break; sleep 0.2; done\n");
            script.append("ifconfig eth0 ")
                    .append(server().replaceFirst("1$", "2"))
                    .append(" netmask 255.255.255.0 up\n");
            script.append("for i in $(seq 50); do ping -c 1 -W 1 ")
                    .append(server())
                    .append(" >/dev/null && break; done\n");
            script.append("echo ").append(READY).append('\n');
        }
        for (DeviceCell.Kind kind : DeviceCell.Kind.values()) {
            List<DeviceCell> mine =
                    cells.stream().filter(cell -> cell.kind() == kind && has(cell)).toList();
            if (!mine.isEmpty()) {
                if (kind == DeviceCell.Kind.FILES && this != FLOOR) {
                    script.append("mkdir -p /mnt\nfor i in $(seq 100); do ")
                            .append(mount)
                            .append(" 2>/dev/null && break; sleep 0.2; done\n");
                }
                script.append(load)
                        .append(' ')
                        .append(kind.word())
                        .append(' ')
                        .append(target(kind))
                        .append(' ')
                        .append(time.seconds())
                        .append(' ')
                        .append(time.warming())
                        .append(' ')
                        .append(DeviceCell.names(mine, kind))
                        .append('\n');
            }
        }
        return script.toString();
    }

    private String target(DeviceCell.Kind kind) {
        return switch (kind) {
            case DISK -> disk();
            case NET -> server();
            case FILES -> this == FLOOR ? SHARE : "/mnt";
        };
    }

    private String disk() {
        return switch (this) {
            case FLOOR -> IMAGE;
            case OURS, PEER, DRIVER -> "/dev/xvda";
            case VIRTIO -> "/dev/vda";
        };
    }

    /// The command of its VMM, with one vCPU.
    ///
    /// @param launcher ours
    /// @param compiler ours
    /// @param qemu the peer's program
    List<String> command(Path launcher, Compiler compiler, Path qemu, Path kernel, Path initramfs) {
        List<String> command = new ArrayList<>();
        switch (this) {
            case FLOOR, DRIVER -> throw new IllegalStateException(label() + " has no command");
            case OURS -> {
                command.addAll(List.of("/usr/bin/env", COMPILED_EARLY + compiler.option));
                command.addAll(List.of(launcher.toString(), "run", "--lab", "never"));
                command.addAll(List.of("--name", NAME));
                command.addAll(List.of("--memory", MEMORY_MIB + "M", "--no-reboot"));
                command.addAll(List.of("--disk", IMAGE + ",raw,xvda,rw"));
                command.addAll(List.of("--vif", "mac=" + MAC + ",bridge=" + BRIDGE));
                command.addAll(List.of("--p9", "tag=data,path=" + SHARE));
                command.addAll(List.of("--append", "console=hvc0 quiet panic=-1"));
                command.addAll(List.of("--kernel", kernel.toString()));
                command.addAll(List.of("--initrd", initramfs.toString()));
            }
            case PEER -> {
                command.addAll(List.of(qemu.toString(), "-accel", Vmm.PEER_ACCELERATOR));
                command.addAll(List.of("-chardev", "stdio,id=console"));
                command.addAll(List.of("-device", "xen-console,chardev=console"));
                command.addAll(List.of("-serial", "null"));
                command.addAll(List.of("-device", "xen-disk,drive=disk,vdev=xvda"));
                command.addAll(List.of("-device", "xen-net-device,netdev=net,mac=" + MAC));
                command.addAll(qemu("console=hvc0", kernel, initramfs));
            }
            case VIRTIO -> {
                command.addAll(List.of(qemu.toString(), "-accel", "kvm", "-serial", "stdio"));
                command.addAll(List.of("-device", "virtio-blk-pci,drive=disk"));
                command.addAll(List.of("-device", "virtio-net-pci,netdev=net,romfile=,mac=" + MAC));
                command.addAll(
                        List.of(
                                "-virtfs",
                                "local,path=" + SHARE + ",mount_tag=data,security_model=none"));
                command.addAll(qemu("console=ttyS0", kernel, initramfs));
            }
        }
        return command;
    }

    private static List<String> qemu(String console, Path kernel, Path initramfs) {
        return List.of(
                "-name",
                NAME + ",debug-threads=on",
                "-cpu",
                "host",
                "-smp",
                "1",
                "-m",
                MEMORY_MIB,
                "-display",
                "none",
                "-vga",
                "none",
                "-no-reboot",
                "-drive",
                "file=" + IMAGE + ",if=none,id=disk,format=raw",
                "-netdev",
                "tap,id=net,ifname=" + TAP + ",script=no,downscript=no",
                "-kernel",
                kernel.toString(),
                "-initrd",
                initramfs.toString(),
                "-append",
                console + " quiet panic=-1");
    }
}
