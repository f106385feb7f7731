package io.xenemu.core.domain;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.ioctl.IrqchipId;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.Consumer;

/// Where a VM's GSIs lead to, the one owner of KVM's table: the pins of the interrupt chips as KVM itself connects them, and
/// above those a GSI for each event channel that has been given one. Every change replaces KVM's whole table.
final class GsiRoutes {
    /// The first GSI that is no pin of the I/O APIC.
    static final int FIRST_EVENT_GSI = CallbackVia.GSIS;

    /// KVM takes 4096 routes (`KVM_MAX_IRQ_ROUTES`), of which the pins have 40.
    static final int MAX_EVENT_GSIS = 4000;

    /// What [#add] answers when no GSI is left.
    static final int NONE = -1;

    private static final int PIC_PINS = 8;
    private static final int ISA_GSIS = 16;

    private final Consumer<List<GsiRoute>> kvm;

    @GuardedBy("this")
    private final NavigableMap<Integer, GsiRoute> events = new TreeMap<>();

    /// @param kvm replaces KVM's table, as KVM_SET_GSI_ROUTING does
    GsiRoutes(Consumer<List<GsiRoute>> kvm) {
        this.kvm = kvm;
    }

    /// Gives an event channel the lowest free GSI.
    ///
    /// @return the GSI, or [#NONE]
    synchronized int add(EvtchnPort port, VcpuId vcpu) {
        int gsi = FIRST_EVENT_GSI;
        while (events.containsKey(gsi)) {
            gsi++;
        }
        if (gsi >= FIRST_EVENT_GSI + MAX_EVENT_GSIS) {
            return NONE;
        }
        set(gsi, port, vcpu);
        return gsi;
    }

    /// Lets a GSI that [#add] gave out lead elsewhere.
    synchronized void set(int gsi, EvtchnPort port, VcpuId vcpu) {
        events.put(gsi, new GsiRoute.XenEvtchn(gsi, port.value(), vcpu));
        apply();
    }

    /// Takes GSIs back.
    synchronized void remove(Iterable<Integer> gsis) {
        boolean changed = false;
        for (int gsi : gsis) {
            changed |= events.remove(gsi) != null;
        }
        if (changed) {
            apply();
        }
    }

    @GuardedBy("this")
    private void apply() {
        List<GsiRoute> all = pins();
        all.addAll(events.values());
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
