package io.xenemu.core.delivery;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.ioctl.IrqchipId;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// KVM's table, which every change replaces as a whole.
final class GsiRoutesTest {
    /// 24 pins of the I/O APIC and 16 of the PICs.
    private static final int PINS = 40;

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
    void pinsStayConnectedAsKvmConnectsThem() {
        int _ = routes.add(EvtchnPort.of(5), FIRST);

        List<GsiRoute> current = table;
        assertNotNull(current);
        assertEquals(PINS + 1, current.size());
        assertTrue(current.contains(new GsiRoute.Irqchip(0, IrqchipId.IOAPIC, 0)));
        assertTrue(current.contains(new GsiRoute.Irqchip(4, IrqchipId.PIC_MASTER, 4)));
        assertTrue(current.contains(new GsiRoute.Irqchip(8, IrqchipId.PIC_SLAVE, 0)));
        assertTrue(current.contains(new GsiRoute.Irqchip(15, IrqchipId.PIC_SLAVE, 7)));
        assertTrue(current.contains(new GsiRoute.Irqchip(23, IrqchipId.IOAPIC, 23)));
        assertEquals(1, current.stream().filter(route -> route.gsi() == 23).count());
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
