package io.xenemu.core.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.AcpiTables;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.ioctl.IrqchipId;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// KVM's table, which every change replaces as a whole.
final class GsiRoutesTest {
    /// 23 pins of the I/O APIC, all but pin 0, and 16 of the PICs.
    private static final int PINS = 39;

    private static final VcpuId FIRST = new VcpuId(0);
    private static final VcpuId SECOND = new VcpuId(1);

    private @Nullable List<GsiRoute> table;
    private final GsiRoutes routes = new GsiRoutes(all -> table = List.copyOf(all));

    private List<GsiRoute> events() {
        List<GsiRoute> current = table;
        assertNotNull(current);
        return current.stream().filter(GsiRoute.XenEvtchn.class::isInstance).toList();
    }

    @Test
    void pinsAreThoseOfAPc() {
        assertEquals(PINS, GsiRoutes.PINS.size());
        assertTrue(GsiRoutes.PINS.contains(new GsiRoute.Irqchip(4, IrqchipId.PIC_MASTER, 4)));
        assertTrue(GsiRoutes.PINS.contains(new GsiRoute.Irqchip(8, IrqchipId.PIC_SLAVE, 0)));
        assertTrue(GsiRoutes.PINS.contains(new GsiRoute.Irqchip(15, IrqchipId.PIC_SLAVE, 7)));
        assertTrue(GsiRoutes.PINS.contains(new GsiRoute.Irqchip(23, IrqchipId.IOAPIC, 23)));
        assertEquals(1, GsiRoutes.PINS.stream().filter(route -> route.gsi() == 23).count());
    }

    /// Xen uses the PIT there, and panics if no interrupt comes.
    @Test
    void pitIsWhereTheMadtHasIt() {
        assertEquals(
                List.of(
                        new GsiRoute.Irqchip(0, IrqchipId.IOAPIC, AcpiTables.PIT_PIN),
                        new GsiRoute.Irqchip(0, IrqchipId.PIC_MASTER, 0)),
                GsiRoutes.PINS.stream().filter(route -> route.gsi() == 0).toList());
        assertEquals(0, GsiRoutes.ofPin(AcpiTables.PIT_PIN));
    }

    /// KVM reports the end of an interrupt to one GSI of each pin.
    @Test
    void noPinHasTwoGsis() {
        Set<String> pins = new HashSet<>();
        for (GsiRoute route : GsiRoutes.PINS) {
            GsiRoute.Irqchip pin = assertInstanceOf(GsiRoute.Irqchip.class, route);
            assertTrue(pins.add(pin.chip() + " " + pin.pin()), route.toString());
            if (pin.chip() == IrqchipId.IOAPIC) {
                assertEquals(pin.gsi(), GsiRoutes.ofPin(pin.pin()));
            }
        }
    }

    @Test
    void pinsStayConnectedBesideEventChannels() {
        int _ = routes.add(EvtchnPort.of(5), FIRST);

        List<GsiRoute> current = table;
        assertNotNull(current);
        assertEquals(PINS + 1, current.size());
        assertEquals(GsiRoutes.PINS, current.subList(0, PINS));
    }

    @Test
    void eventChannelsGetTheLowestFreeGsi() {
        assertEquals(24, routes.add(EvtchnPort.of(5), FIRST));
        assertEquals(25, routes.add(EvtchnPort.of(6), SECOND));
        routes.remove(List.of(24));
        assertEquals(List.of(new GsiRoute.XenEvtchn(25, 6, SECOND)), events());
        assertEquals(24, routes.add(EvtchnPort.of(7), SECOND));
        assertEquals(
                List.of(
                        new GsiRoute.XenEvtchn(24, 7, SECOND),
                        new GsiRoute.XenEvtchn(25, 6, SECOND)),
                events());
    }

    @Test
    void routeIsMovedInPlace() {
        int gsi = routes.add(EvtchnPort.of(5), FIRST);
        routes.set(gsi, EvtchnPort.of(5), SECOND);

        assertEquals(List.of(new GsiRoute.XenEvtchn(24, 5, SECOND)), events());
    }

    @Test
    void removingNoRouteLeavesKvmsTableAlone() {
        routes.remove(List.of());

        assertNull(table);
    }

    @Test
    void numberOfGsisIsLimited() {
        for (int i = 0; i < GsiRoutes.MAX_EVENT_GSIS; i++) {
            assertEquals(24 + i, routes.add(EvtchnPort.of(1), FIRST));
        }

        assertEquals(GsiRoutes.NONE, routes.add(EvtchnPort.of(1), FIRST));
        assertEquals(GsiRoutes.MAX_EVENT_GSIS, events().size());
    }
}
