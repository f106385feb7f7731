package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.XenError;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Devices over a reboot of their guest.
final class DeviceRebootTest extends DeviceDomains {
    /// Waits for a future. `join` would not end when the test's time is over.
    private static void done(CompletableFuture<?> future) {
        future.copy().orTimeout(60, TimeUnit.SECONDS).join();
    }

    /// Attaches and detaches devices in a process of its own, since the log's level belongs to the process.
    static final class Life {
        private Life() {}

        public static void main(String[] args) throws XenError, Refused, InterruptedException {
            DeviceRebootTest test = new DeviceRebootTest();
            test.domains();
            try (PvDevices devices = new PvDevices(test.store, DeviceEvents.NONE, SHORT)) {
                PvDevice ignored = devices.create(USER, SERVER, disk("xvdb"));
                assertThrows(Refused.class, () -> devices.awaitBackend(ignored, disk("xvdb")));
            }
            test.serve();
            try (PvDevices devices = new PvDevices(test.store, DeviceEvents.NONE, LONG)) {
                attach(devices, USER, disk("xvda"));
                DevicesOverReboot kept = devices.frontendReboots(USER);
                done(kept.removed());
                done(devices.reattach(kept, spec -> devices.create(NEXT, SERVER, spec)));
                devices.detach(
                        devices.list().find(DeviceKind.VBD, NEXT, "xvda"), DetachMode.ORDERLY);
            }
            test.close();
        }
    }

    @Test
    void devicesComeBackAfterAReboot() throws XenError, Refused, InterruptedException {
        serve();
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, LONG)) {
            attach(devices, USER, disk("xvda"));
            PvDevice gone = attach(devices, USER, disk("xvdb"));
            attach(devices, USER, nic(",devid=2"));
            attach(devices, USER, nic(",mac=00:16:3e:0a:0b:0c"));
            attach(devices, NEXT, disk("xvdc"));
            devices.detach(gone, DetachMode.ORDERLY);

            DevicesOverReboot kept = devices.frontendReboots(USER);
            done(kept.removed());
            assertFalse(client.exists("/local/domain/5/backend/vbd/3"));
            done(devices.reattach(kept, spec -> devices.create(NEXT, SERVER, spec)));

            assertEquals(List.of("51744", "51712"), client.list("/libxl/4/device/vbd"));
            assertEquals("2", client.read("/local/domain/5/backend/vbd/4/51712/state"));
            assertEquals(List.of("2", "3"), client.list("/libxl/4/device/vif"));
            assertEquals("00:16:3e:0a:0b:0c", client.read("/libxl/4/device/vif/3/mac"));
            assertFalse(client.exists("/libxl/3"));
        }
    }

    @Test
    @Timeout(60)
    void logTellsTheStatesOfDevices() throws IOException, InterruptedException {
        Process life =
                new ProcessBuilder(
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-Dxen-emu.log.level=INFO",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Life.class.getName())
                        .redirectErrorStream(true)
                        .start();
        try (BufferedReader output = life.inputReader()) {
            List<String> told =
                    output.lines()
                            .filter(line -> line.contains("INFO"))
                            .map(line -> line.replaceFirst(".*?] ", ""))
                            .toList();
            assertEquals(
                    List.of(
                            "dom3: vbd 51728 from dom5: not taken by the back end, so removed",
                            "dom3: vbd 51712 from dom5: attached",
                            "dom3: vbd 51712 from dom5: its domain has ended: detached",
                            "dom4: vbd 51712 from dom5: attached again after the reboot",
                            "dom4: vbd 51712 from dom5: detached"),
                    told);
            assertEquals(0, life.waitFor());
        } finally {
            life.destroyForcibly();
        }
    }

    @Test
    void devicesThatCannotBeCreatedAreMissingAfterAReboot()
            throws XenError, Refused, InterruptedException {
        serve();
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, LONG)) {
            attach(devices, USER, disk("xvda"));
            attach(devices, USER, nic(""));

            DevicesOverReboot kept = devices.frontendReboots(USER);
            done(
                    devices.reattach(
                            kept,
                            spec -> {
                                if (spec.kind() == DeviceKind.VBD) {
                                    throw new Refused("no such domain: db");
                                }
                                return devices.create(NEXT, SERVER, spec);
                            }));

            assertEquals(List.of("vif"), client.list("/libxl/4/device"));
            assertEquals(1, devices.frontendReboots(NEXT).specs().size());
        }
    }

    @Test
    void onlyDevicesThatWereTakenComeBackAfterAReboot()
            throws XenError, Refused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            assertThrows(Refused.class, () -> devices.awaitBackend(device, disk("xvda")));
            devices.create(USER, SERVER, disk("xvdb"));

            assertEquals(List.of(), devices.frontendReboots(USER).specs());
        }
    }

    @Test
    void deviceThatIsTakenTooLateIsNotKeptForTheNextDomainOfThatId()
            throws XenError, Refused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            client.write(BACK + "/state", "2");
            client.rm("/libxl/3");
            devices.awaitBackend(device, disk("xvda"));

            assertEquals(List.of(), devices.frontendReboots(USER).specs());
        }
    }
}
