package io.xenemu.core.delivery;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.ioctl.IrqchipId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The routes of a VM's GSIs, and the only writer of KVM's routing table. Its first GSIs are the pins of the interrupt
/// chips. Above them, each event channel that needs a GSI has one. Every change replaces KVM's whole table.
///
/// KVM's PIT raises GSI 0. On a PC that is pin 0 of the PIC and pin 2 of the I/O APIC, as the MADT tells guests
/// ([AcpiTables#PIT_PIN]). Pin 2 then has no other GSI: KVM reports the end of an interrupt to one GSI of each pin, and
/// the PIT waits for it. KVM's own first table has GSI 0 at pin 0.
public final class GsiRoutes {
    /// The first GSI that is not a pin of the I/O APIC.
    static final int FIRST_EVENT_GSI = CallbackVia.GSIS;

    /// The most GSIs for event channels. A change takes time in proportion to the number of routes, and guests cause
    /// changes. KVM would take 4096 (`KVM_MAX_IRQ_ROUTES`). User space serves event channels without a GSI.
    static final int MAX_EVENT_GSIS = 1024;

    /// The answer of [#add] if no GSI is left.
    static final int NONE = -1;

    private static final int PIC_PINS = 8;
    private static final int ISA_IRQS = 16;

    /// KVM's GSI of the PIT.
    private static final int PIT_GSI = 0;

    /// The pins of the interrupt chips: the table of a VM without event channels.
    public static final List<GsiRoute> PINS = pins();

    private final Consumer<List<GsiRoute>> kvm;

    /// The routes by GSI, from [#FIRST_EVENT_GSI] on; null for a free GSI.
    @GuardedBy("this")
    private final @Nullable GsiRoute[] events = new GsiRoute[MAX_EVENT_GSIS];

    /// @param kvm replaces KVM's table, as KVM_SET_GSI_ROUTING does
    public GsiRoutes(Consumer<List<GsiRoute>> kvm) {
        this.kvm = kvm;
    }

    /// The GSI in KVM of a pin of the I/O APIC, which is a guest's number for the line.
    ///
    /// @param pin 1 to 23; nothing is connected to pin 0
    public static int ofPin(int pin) {
        return pin == AcpiTables.PIT_PIN ? PIT_GSI : pin;
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
        for (int pin = 1; pin < FIRST_EVENT_GSI; pin++) {
            pins.add(new GsiRoute.Irqchip(ofPin(pin), IrqchipId.IOAPIC, pin));
        }
        for (int irq = 0; irq < ISA_IRQS; irq++) {
            IrqchipId pic = irq < PIC_PINS ? IrqchipId.PIC_MASTER : IrqchipId.PIC_SLAVE;
            pins.add(new GsiRoute.Irqchip(irq, pic, irq % PIC_PINS));
        }
        return List.copyOf(pins);
    }
}
