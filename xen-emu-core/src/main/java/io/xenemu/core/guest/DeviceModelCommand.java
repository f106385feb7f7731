package io.xenemu.core.guest;

import io.xenemu.core.boot.BootModule;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.VirtualDisk;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/// The command line of a guest's QEMU: a PC with an i440FX, memory that the service shares, and emulated disks. Each is
/// the image of a disk of the guest's own; the guest's PV drivers unplug it.
final class DeviceModelCommand {
    /// IDE has two channels with two drives each.
    private static final int IDE_DISKS = 4;

    private static final int AHCI_DISKS = 6;

    private final List<String> words = new ArrayList<>();
    private final DeviceModelConfig model;

    private DeviceModelCommand(DeviceModelConfig model) {
        this.model = model;
    }

    /// An emulated disk.
    ///
    /// @param place its number on the controller
    private record Emulated(DiskSpec disk, int place) {}

    /// The words after the program's name.
    ///
    /// @throws Refused if the machine would have nothing to boot
    static List<String> words(DeviceModelConfig model, GuestRequest request) throws Refused {
        DeviceModelCommand command = new DeviceModelCommand(model);
        command.machine(request.config());
        command.start();
        command.disks(request.devices());
        command.terminals();
        return command.words;
    }

    private void add(String... more) {
        words.addAll(List.of(more));
    }

    private void machine(DomainConfig config) {
        long kib = config.memoryBytes() >> 10;
        add("-name", escaped(config.name()), "-uuid", config.uuid().toString());
        add("-nodefaults", "-no-user-config", "-accel", "kvm", "-cpu", "host");
        add("-machine", "pc,memory-backend=ram", "-m", "size=%dk".formatted(kib));
        add("-object", "memory-backend-memfd,id=ram,size=%dk,share=on".formatted(kib));
        add("-smp", Integer.toString(config.vcpus()));
    }

    private void start() {
        if (!model.firmware().isEmpty()) {
            add("-bios", model.firmware());
        }
        if (!model.kernel().isEmpty()) {
            add("-kernel", model.kernel(), "-append", model.commandLine());
            for (String module : model.modules()) {
                add("-initrd", BootModule.file(module));
            }
        }
    }

    private void disks(List<DeviceSpec> devices) throws Refused {
        List<Emulated> emulated = new ArrayList<>();
        for (DeviceSpec device : devices) {
            if (device instanceof DiskSpec disk) {
                place(disk).ifPresent(place -> emulated.add(new Emulated(disk, place)));
            }
        }
        if (model.isAhci()) {
            add("-device", "ich9-ahci,id=ahci");
        }
        // The place of a kernel is the first.
        int bootIndex = 1;
        for (int i = 0; i < model.boot().length(); i++) {
            char letter = model.boot().charAt(i);
            for (Emulated one : emulated) {
                if (one.disk().cdrom() == (letter == 'd')) {
                    add(one, ",bootindex=" + bootIndex);
                    bootIndex++;
                }
            }
        }
        if (bootIndex == 1 && model.kernel().isEmpty()) {
            throw new Refused(
                    "nothing to boot from: there is no kernel, and no raw image that is a disk of boot=%s"
                            .formatted(model.boot()));
        }
        for (Emulated one : emulated) {
            if (model.boot().indexOf(one.disk().cdrom() ? 'd' : 'c') < 0) {
                add(one, "");
            }
        }
    }

    private void add(Emulated one, String more) {
        DiskSpec disk = one.disk();
        String id = "disk" + one.place();
        // The service has the image open too; whoever writes last is the one that the guest writes
        // by.
        add(
                "-drive",
                "if=none,id=%s,media=%s,readonly=%s,format=raw,cache=writeback,file.driver=%s,file.locking=off,file.filename=%s"
                        .formatted(
                                id,
                                disk.cdrom() ? "cdrom" : "disk",
                                disk.writable() ? "off" : "on",
                                Files.isRegularFile(Path.of(disk.target()))
                                        ? "file"
                                        : "host_device",
                                escaped(disk.target())));
        String bus =
                model.isAhci()
                        ? "ahci." + one.place()
                        : "ide.%d,unit=%d".formatted(one.place() / 2, one.place() % 2);
        String kind = disk.cdrom() ? "ide-cd" : "ide-hd";
        add("-device", "%s,drive=%s,bus=%s%s".formatted(kind, id, bus, more));
    }

    /// Where an emulated disk is, if there is one for a disk: not for one in another format than raw, since two
    /// programs cannot have such an image open, and not for a disk that is read-only, which IDE does not have.
    private OptionalInt place(DiskSpec disk) {
        boolean isServed =
                disk.isByService() && disk.isFile() && disk.format().equals(DiskSpec.RAW);
        if (!isServed || !(disk.writable() || disk.cdrom())) {
            return OptionalInt.empty();
        }
        OptionalInt place = VirtualDisk.emulated(disk.number());
        int places = model.isAhci() ? AHCI_DISKS : IDE_DISKS;
        return place.isPresent() && place.getAsInt() < places ? place : OptionalInt.empty();
    }

    private void terminals() {
        switch (model.serial()) {
            case DeviceModelConfig.NONE -> {}
            case DeviceModelConfig.PTY ->
                    add("-chardev", "stdio,id=tty,signal=off", "-serial", "chardev:tty");
            default -> add("-serial", model.serial());
        }
        // GRUB waits for ever for a screen that there is not.
        add("-vga", "std");
        String vnc = model.vnc();
        if (vnc == null) {
            add("-display", "none");
        } else {
            add("-vnc", vnc);
        }
    }

    /// A text as QEMU has it in a list of options.
    private static String escaped(String text) {
        return text.replace(",", ",,");
    }
}
