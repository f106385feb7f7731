package io.xenemu.it.guest;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A program that runs a test guest with its serial port on stdout, inside the lab machine.
public sealed interface Vmm {

    /// QEMU's accelerator with its Xen emulation, as it has to be asked for.
    String PEER_ACCELERATOR = "kvm,xen-version=0x40013,kernel-irqchip=split";

    /// What tables call it.
    String label();

    /// The command.
    ///
    /// @param append the guest's command line
    List<String> command(Path guest, String append, int vcpus);

    /// This project's.
    ///
    /// @param launcher `xen-emu-core/bin/xen-emu`
    /// @param javaOptions further options for its JVM
    /// @param runOptions further options of `xen-emu run`
    record Ours(Path launcher, List<String> javaOptions, List<String> runOptions) implements Vmm {
        @Override
        public String label() {
            return "ours";
        }

        @Override
        public List<String> command(Path guest, String append, int vcpus) {
            List<String> command =
                    new ArrayList<>(
                            List.of(
                                    "/usr/bin/env",
                                    "XEN_EMU_JAVA_OPTS=" + String.join(" ", javaOptions)));
            command.addAll(List.of(launcher.toString(), "run", "--lab", "never"));
            command.addAll(List.of("--console", "none", "--serial", "stdio"));
            command.addAll(List.of("--memory", "256M", "--vcpus", Integer.toString(vcpus)));
            command.addAll(runOptions);
            command.addAll(List.of("--append", append, "--kernel", guest.toString()));
            return command;
        }
    }

    /// QEMU with its Xen emulation.
    ///
    /// @param qemu the `qemu-system-x86_64` program
    record Peer(Path qemu) implements Vmm {
        @Override
        public String label() {
            return "peer";
        }

        @Override
        public List<String> command(Path guest, String append, int vcpus) {
            List<String> command = new ArrayList<>(List.of(qemu.toString(), "-accel"));
            command.add(PEER_ACCELERATOR);
            command.addAll(List.of("-cpu", "host", "-M", "q35", "-m", "256", "-no-reboot"));
            command.addAll(List.of("-smp", Integer.toString(vcpus), "-display", "none"));
            command.addAll(List.of("-serial", "stdio", "-chardev", "null,id=console"));
            command.addAll(List.of("-device", "xen-console,chardev=console"));
            command.addAll(List.of("-append", append, "-kernel", guest.toString()));
            return command;
        }
    }

    /// The minimal VMM: one vCPU, every hypercall returns 0 at once.
    ///
    /// @param program the built program
    record Floor(Path program) implements Vmm {
        @Override
        public String label() {
            return "floor";
        }

        @Override
        public List<String> command(Path guest, String append, int vcpus) {
            return List.of(program.toString(), guest.toString(), append);
        }
    }
}
