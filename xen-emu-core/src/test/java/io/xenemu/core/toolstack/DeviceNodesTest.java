package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The nodes of a device in XenStore.
final class DeviceNodesTest extends DeviceDomains {
    @Test
    void diskHasTheNodesThatLibxlWrites() throws XenError, Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            devices.create(USER, SERVER, disk("xvda"));
        }

        assertEquals(
                """
                backend = /local/domain/5/backend/vbd/3/51712 (n3 r5)
                backend-id = 5 (n3 r5)
                state = 1 (n3 r5)
                virtual-device = 51712 (n3 r5)
                device-type = disk (n3 r5)
                trusted = 1 (n3 r5)
                """,
                dump(FRONT));
        assertEquals(
                """
                frontend = /local/domain/3/device/vbd/51712 (n5 r3)
                params = /dev/ram0 (n5 r3)
                script = /etc/xen/scripts/block (n5 r3)
                frontend-id = 3 (n5 r3)
                online = 1 (n5 r3)
                removable = 0 (n5 r3)
                bootable = 1 (n5 r3)
                state = 1 (n5 r3)
                dev = xvda (n5 r3)
                type = phy (n5 r3)
                mode = w (n5 r3)
                device-type = disk (n5 r3)
                discard-enable = 1 (n5 r3)
                """,
                dump(BACK));
        assertEquals("n3 r5", client.permissions(FRONT).toString());
        assertEquals("n5 r3", client.permissions(BACK).toString());
        assertEquals("n0 r5", client.permissions("/local/domain/5/backend/vbd").toString());
        assertEquals("n0 r3", client.permissions("/local/domain/3/device/vbd").toString());
    }

    @Test
    void domainThatIsNamedManyTimesIsListedOnce() throws Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            devices.create(USER, SERVER, disk("xvda"));

            assertEquals(
                    2, devices.list().table(DeviceKind.VBD, Collections.nCopies(512, USER)).size());
        }
    }

    @Test
    void recordIsDomain0sAlone() throws XenError, Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            devices.create(USER, SERVER, disk("xvda"));
        }

        assertEquals(FRONT, client.read(RECORD + "/frontend"));
        assertEquals(BACK, client.read(RECORD + "/backend"));
        assertEquals("/dev/ram0", client.read(RECORD + "/params"));
        assertEquals("n0", client.permissions(RECORD + "/backend").toString());
    }

    @Test
    void networkInterfaceHasTheNodesThatLibxlWrites() throws XenError, Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            devices.create(USER, SERVER, nic(""));
        }

        assertEquals(
                """
                backend = /local/domain/5/backend/vif/3/0 (n3 r5)
                backend-id = 5 (n3 r5)
                state = 1 (n3 r5)
                handle = 0 (n3 r5)
                mac = 00:16:3e:01:02:03 (n3 r5)
                trusted = 1 (n3 r5)
                mtu = 1500 (n5 r3)
                """,
                dump("/local/domain/3/device/vif/0"));
        assertEquals(
                """
                frontend = /local/domain/3/device/vif/0 (n5 r3)
                frontend-id = 3 (n5 r3)
                online = 1 (n5 r3)
                state = 1 (n5 r3)
                script = /etc/xen/scripts/vif-bridge (n5 r3)
                mac = 00:16:3e:01:02:03 (n5 r3)
                ip = 10.0.0.2 (n5 r3)
                bridge = xenbr0 (n5 r3)
                handle = 0 (n5 r3)
                type = vif (n5 r3)
                hotplug-status =  (n5 r3)
                """,
                dump("/local/domain/5/backend/vif/3/0"));
    }

    @Test
    void networkInterfacesAreNumbered() throws Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            assertEquals(0, devices.create(USER, SERVER, nic("")).id());
            assertEquals(7, devices.create(USER, SERVER, nic(",devid=7")).id());
            assertEquals(8, devices.create(USER, SERVER, nic("")).id());
        }
    }

    @Test
    void secondDiskOfANumberIsRefused() throws Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            devices.create(USER, SERVER, disk("xvda"));

            Refused e =
                    assertThrows(Refused.class, () -> devices.create(USER, SERVER, disk("d0p0")));
            assertEquals("the domain has such a device already", e.reason());
        }
    }

    @Test
    void domainThatEndsGetsNoDevice() throws XenError, Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            devices.frontendEnds(USER);
            for (DomId user : List.of(USER, new DomId(9))) {
                Refused e =
                        assertThrows(
                                Refused.class, () -> devices.create(user, SERVER, disk("xvda")));
                assertEquals("one of the two domains is starting or ending", e.reason());
            }
        }
        assertFalse(client.exists("/libxl"));
    }

    @Test
    void tooLongAValueLeavesNothing() throws XenError, Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            DeviceSpec spec =
                    DiskSpec.parse(List.of("vdev=xvda,backend=db,target=" + "x".repeat(5000)));

            assertThrows(Refused.class, () -> devices.create(USER, SERVER, spec));
        }
        assertFalse(client.exists(FRONT));
        assertFalse(client.exists("/libxl"));
    }

    @Test
    void devicesAreListed() throws XenError, Refused {
        try (PvDevices devices = new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)) {
            devices.create(USER, SERVER, disk("xvda"));
            devices.create(USER, SERVER, nic(""));
            client.write(FRONT + "/ring-ref", "8");
            client.write(FRONT + "/event-channel", "15");

            assertEquals(
                    List.of(
                            "Vdev  BE  handle state evt-ch ring-ref BE-path",
                            "51712 5   3      1     15     8        " + BACK),
                    devices.list().table(DeviceKind.VBD, List.of(USER, SERVER)));
            assertEquals(
                    List.of(
                            "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path",
                            "0   5  00:16:3e:01:02:03      0     1     -1    -1/-1          "
                                    + "/local/domain/5/backend/vif/3/0"),
                    devices.list().table(DeviceKind.VIF, List.of(USER)));
            assertEquals(0, devices.list().find(DeviceKind.VIF, USER, "00:16:3E:1:2:3").id());
            assertEquals(
                    List.of("dom3: vbd 51712 from dom5", "dom3: vif 0 from dom5"),
                    devices.list().foreign(USER).stream().map(PvDevice::toString).toList());
        }
    }
}
