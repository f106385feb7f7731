package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Linux with four vCPUs on both event channel ABIs: its device for user space, and its own channels while CPUs come and go.
@ExtendWith(LabExtension.class)
class LinuxEventChannelsIT {
    /// Of three CPUs each.
    private static final int HOTPLUG_CYCLES = 12;

    private static final String STORE = "XENSTORED_PATH=/run/channels-xenstore ";

    /// What differs.
    enum Abi {
        /// KVM serves it.
        TWO_LEVEL("2level", "Using 2-level ABI", 1000, 4095, "full 4095"),
        /// The service alone serves it: fewer rounds, and more ports than 2-level has.
        FIFO("fifo", "Using FIFO-based ABI", 400, 131_071, "many 2060");

        final String option;
        final String message;
        final int rounds;
        final int highestPort;
        final String manyPorts;

        Abi(String option, String message, int rounds, int highestPort, String manyPorts) {
            this.option = option;
            this.message = message;
            this.rounds = rounds;
            this.highestPort = highestPort;
            this.manyPorts = manyPorts;
        }
    }

    @ParameterizedTest
    @EnumSource(Abi.class)
    void deviceAndCpuHotplug(Abi abi, Lab lab) throws IOException, InterruptedException {
        try (RunningCommand guest = boot(abi, lab)) {
            GuestShell shell = new GuestShell(guest);
            shell.awaitBoot();
            assertTrue(guest.output().contains(abi.message), guest.output());

            String ports = ports(lab);
            shell.run("modprobe xen-evtchn");
            shell.check("evtchn-device bind 1 deliver");
            shell.check("evtchn-device ring " + abi.rounds);
            shell.check("evtchn-device " + abi.manyPorts);
            assertEquals(ports, ports(lab), "ports that the device has left behind");
            shell.check("cpu-hotplug " + HOTPLUG_CYCLES);
            assertEquals(ports, ports(lab), "ports that the CPUs have left behind");

            String serial = shell.run("exec 3</dev/ttyS0; grep ttyS0 /proc/interrupts; exec 3<&-");
            assertTrue(serial.contains("IO-APIC"), serial);
            shell.assertNoComplaint();

            lab.shell(STORE + "xenstore-write /local/domain/1/control/shutdown poweroff");
            assertEquals(0, guest.awaitExit(), guest.output());
            assertTrue(guest.output().contains("reboot: Power down"), guest.output());
        }
    }

    private static RunningCommand boot(Abi abi, Lab lab) throws IOException, InterruptedException {
        return lab.xenEmuRun(
                LinuxImages.arguments(
                        lab,
                        "6.12",
                        Optional.empty(),
                        GuestPrograms.build("evtchn-device", "cpu-hotplug"),
                        "--vcpus",
                        "4",
                        "--evtchn",
                        abi.option,
                        "--max-event-channels",
                        Integer.toString(abi.highestPort),
                        "--metrics",
                        "127.0.0.1:9103",
                        "--xenstore-socket",
                        "/run/channels-xenstore"));
    }

    /// How many ports of which type there are.
    private static String ports(Lab lab) throws IOException, InterruptedException {
        String ports =
                lab.shell(
                        "wget -q -O - http://127.0.0.1:9103/metrics | grep ^xen_evtchn_ports | sort");
        assertFalse(ports.isEmpty());
        return ports;
    }
}
