package io.xenemu.core.domain;

import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.Pirqs;

/// The interrupt lines of a domain's devices, by GSI. What a line tells becomes an event if the guest has routed the
/// line over an event channel. Otherwise it goes to the PIC and the I/O APIC.
///
/// Thread-safe. It takes the locks of the PIRQs; the caller may hold its device's.
public final class InterruptLines {
    private final Pirqs pirqs;
    private final VmPort vm;

    InterruptLines(Pirqs pirqs, VmPort vm) {
        this.pirqs = pirqs;
        this.vm = vm;
    }

    /// Sends one edge.
    public void pulse(int gsi) {
        boolean isEvent = pirqs.setGsi(gsi, true);
        pirqs.setGsi(gsi, false);
        if (!isEvent) {
            vm.irqLine(gsi, true);
            vm.irqLine(gsi, false);
        }
    }

    /// Sets the level. The chips see it go down in any case: the guest may have changed the route while it was up.
    void set(int gsi, boolean up) {
        boolean isEvent = pirqs.setGsi(gsi, up);
        if (!up || !isEvent) {
            vm.irqLine(gsi, up);
        }
    }
}
