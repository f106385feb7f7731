package io.xenemu.core.delivery;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.ioctl.IrqchipId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The routes of a VM's GSIs, and the only writer of KVM's routing table. The pins of the interrupt chips are connected
/// as in KVM. Above them, each event channel that needs a GSI has one. Every change replaces KVM's whole table.
public final class GsiRoutes {
    /// The first GSI that is not a pin of the I/O APIC.
    static final int FIRST_EVENT_GSI = CallbackVia.GSIS;

    /// The most GSIs for event channels. A change takes time in proportion to the number of routes, and guests cause
    /// changes. KVM would take 4096 (`KVM_MAX_IRQ_ROUTES`). User space serves event channels without a GSI.
    static final int MAX_EVENT_GSIS = 1024;

    /// The answer of [#add] if no GSI is left.
    static final int NONE = -1;

    private static final int PIC_PINS = 8;
    private static final int ISA_GSIS = 16;

    private static final List<GsiRoute> PINS = pins();

    private final Consumer<List<GsiRoute>> kvm;

    /// The routes by GSI, from [#FIRST_EVENT_GSI] on; null for a free GSI.
    @GuardedBy("this")
    private final @Nullable GsiRoute[] events = new GsiRoute[MAX_EVENT_GSIS];

    /// @param kvm replaces KVM's table, as KVM_SET_GSI_ROUTING does
    public GsiRoutes(Consumer<List<GsiRoute>> kvm) {
        this.kvm = kvm;
    }

    /// Gives an event channel the lowest free GSI.
    ///
    /// @return the GSI, or [#NONE]
    synchronized int add(EvtchnPort port, VcpuId vcpu) {
        int free = 0;
        while (free < MAX_EVENT_GSIS && events[free] != null) {
            free++;
        }
        if (free == MAX_EVENT_GSIS) {
            return NONE;
        }
        int gsi = FIRST_EVENT_GSI + free;
        set(gsi, port, vcpu);
        return gsi;
    }

    /// Routes a GSI of [#add] to another port or vCPU.
    synchronized void set(int gsi, EvtchnPort port, VcpuId vcpu) {
        events[gsi - FIRST_EVENT_GSI] = new GsiRoute.XenEvtchn(gsi, port.value(), vcpu);
        apply();
    }

    /// Frees GSIs.
    synchronized void remove(Collection<Integer> gsis) {
        for (int gsi : gsis) {
            events[gsi - FIRST_EVENT_GSI] = null;
        }
        if (!gsis.isEmpty()) {
            apply();
        }
    }

    @GuardedBy("this")
    private void apply() {
        List<GsiRoute> all = new ArrayList<>(PINS);
        for (GsiRoute event : events) {
            if (event != null) {
                all.add(event);
            }
        }
        kvm.accept(all);
    }

    private static List<GsiRoute> pins() {
        List<GsiRoute> pins = new ArrayList<>();
        for (int gsi = 0; gsi < FIRST_EVENT_GSI; gsi++) {
            pins.add(new GsiRoute.Irqchip(gsi, IrqchipId.IOAPIC, gsi));
            if (gsi < ISA_GSIS) {
                IrqchipId pic = gsi < PIC_PINS ? IrqchipId.PIC_MASTER : IrqchipId.PIC_SLAVE;
                pins.add(new GsiRoute.Irqchip(gsi, pic, gsi % PIC_PINS));
            }
        }
        return pins;
    }
}
