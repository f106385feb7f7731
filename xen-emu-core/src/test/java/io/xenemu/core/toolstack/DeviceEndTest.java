package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Devices are created and end: by order, by force, and with the domains that use or serve them.
final class DeviceEndTest extends DeviceDomains {
    @Test
    void deviceIsAttachedAndDetached() throws XenError, Refused, InterruptedException {
        String before = dump("/local");
        serve();
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            devices.awaitBackend(device, disk("xvda"));
            assertEquals("2", client.read(BACK + "/state"));
            assertEquals(device, devices.list().find(DeviceKind.VBD, USER, "xvda"));

            devices.detach(device, DetachMode.ORDERLY);
            assertThrows(Refused.class, () -> devices.list().find(DeviceKind.VBD, USER, "xvda"));
        }
        assertEquals(before, dump("/local"));
        assertFalse(client.exists("/libxl/3"));
    }

    @Test
    void deviceThatNoBackEndTakesIsRemoved() throws XenError, Refused {
        String before = dump("/local");
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));

            Refused e =
                    assertThrows(Refused.class, () -> devices.awaitBackend(device, disk("xvda")));
            assertEquals(
                    "dom5 has not taken the device within 0 s: does it run, with xen-blkback?",
                    e.reason());
        }
        assertEquals(before, dump("/local"));
    }

    @Test
    void deviceThatItsBackEndDoesNotCloseStays() throws XenError, Refused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            client.write(BACK + "/state", "4");

            Refused e =
                    assertThrows(Refused.class, () -> devices.detach(device, DetachMode.ORDERLY));
            assertEquals(
                    "dom5 has not let go of the device within 0 s; --force removes it", e.reason());
            assertEquals("5", client.read(BACK + "/state"));
            assertEquals("0", client.read(BACK + "/online"));
            assertTrue(client.exists(FRONT));

            devices.detach(device, DetachMode.FORCED);
            assertFalse(client.exists(FRONT));
            assertFalse(client.exists(BACK));
            assertFalse(client.exists(RECORD));
        }
    }

    @Test
    void forceIsUsedAfterTheLimit() throws XenError, Refused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, nic(""));

            devices.detach(device, DetachMode.FORCED_AFTER_LIMIT);
        }
        assertFalse(client.exists("/local/domain/3/device/vif"));
        assertFalse(client.exists("/local/domain/5/backend"));
    }

    @Test
    void closedBackEndKeepsItsState() throws XenError, Refused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, SHORT)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            client.write(BACK + "/state", "6");

            devices.detach(device, DetachMode.ORDERLY);
        }
        assertFalse(client.exists(BACK));
    }

    @Test
    void guestCannotMisleadByItsNodes() throws XenError, Refused, InterruptedException {
        serve();
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            devices.awaitBackend(device, disk("xvda"));
            client.write(FRONT + "/backend", "/local/domain/0/backend/console/3");
            client.write(FRONT + "/backend-id", "0");
            client.write(FRONT + "/state", "-2147483648x");
            client.write("/local/domain/0/backend/console/3/0/state", "4");

            assertEquals(device, devices.list().find(DeviceKind.VBD, USER, "51712"));
            assertEquals(
                    "51712 5   3      -1    -1     -1       " + BACK,
                    devices.list().table(DeviceKind.VBD, List.of(USER)).getLast());
            devices.detach(device, DetachMode.ORDERLY);
        }
        assertEquals("4", client.read("/local/domain/0/backend/console/3/0/state"));
    }

    @Test
    void devicesOfADeadDomainAreRemovedFromItsBackEnd()
            throws XenError, Refused, InterruptedException {
        serve();
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, LONG)) {
            attach(devices, USER, disk("xvda"));
            attach(devices, USER, nic(""));

            devices.frontendEnds(USER);
            assertFalse(client.exists("/local/domain/3/device"));
            Eventually.holds("the back end goes", () -> !client.exists("/local/domain/5/backend"));
        }
        assertFalse(client.exists("/libxl/3"));
    }

    @Test
    void devicesOfADeadDomainAreRemovedEvenIfTheBackEndDoesNotClose()
            throws XenError, Refused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, SHORT)) {
            devices.create(USER, SERVER, disk("xvda"));
            client.write(BACK + "/state", "4");

            devices.frontendEnds(USER);
            assertEquals("5", client.read(BACK + "/state"));
            assertEquals("0", client.read(BACK + "/online"));
            Eventually.holds("the back end goes", () -> !client.exists(BACK));
        }
        assertFalse(client.exists("/local/domain/5/backend"));
    }

    @Test
    void deviceOfADeadServerCanBeDetached() throws XenError, Refused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            client.rm("/local/domain/5");
            assertTrue(client.exists(FRONT));

            devices.detach(device, DetachMode.ORDERLY);
        }
        assertFalse(client.exists(FRONT));
        assertFalse(client.exists("/local/domain/5"));
        assertFalse(client.exists(RECORD));
    }

    @Test
    void secondDetachIsRefusedDuringTheFirst() throws Refused, InterruptedException {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, LONG)) {
            PvDevice device = devices.create(USER, SERVER, disk("xvda"));
            Thread waiting = Thread.ofVirtual().start(() -> detach(devices, device));
            Eventually.holds(
                    "the detach waits", () -> waiting.getState() == Thread.State.TIMED_WAITING);

            Refused e =
                    assertThrows(Refused.class, () -> devices.detach(device, DetachMode.FORCED));
            assertEquals("the device is being attached or detached already", e.reason());
            waiting.interrupt();
            waiting.join();
        }
    }
}
