package io.xenemu.evtchn;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;

/// Limits the heap that the port tables of all guests of a service may use together. A table grows by
/// [PortTable#BUCKET] ports and shrinks only when its domain ends, as in Xen. A bind that needs more than the account
/// has is `ENOSPC`. Each guest's own limit is [EvtchnOptions#maxPort]. Any thread may use it.
///
/// | meter | tags | counts |
/// |---|---|---|
/// | `xen.evtchn.table.ports` | none | ports for which guests' tables have room |
/// | `xen.evtchn.table.limit` | none | the most ports for which they may have room |
public final class PortAccount {
    /// Heap bytes of a port and its binding: a [Channel], its number, its table entries. Measured: 84 bytes in the
    /// table, and up to as many for an entry of the kernel's table.
    static final int BYTES_PER_PORT = 192;

    /// The divisor of the heap that ports may use.
    private static final int HEAP_PART = 4;

    private final long limit;

    /// Guarded by this.
    private long used;

    /// @param limit ports
    public PortAccount(long limit) {
        this.limit = limit;
    }

    /// A quarter of this JVM's heap: all ports of ten guests with FIFO in 1 GiB, or 1023 ports each of 300 guests in
    /// 256 MiB.
    public static PortAccount ofThisHeap() {
        return new PortAccount(Runtime.getRuntime().maxMemory() / HEAP_PART / BYTES_PER_PORT);
    }

    /// For a table that is charged to no guest, such as domain 0's.
    static PortAccount unlimited() {
        return new PortAccount(Long.MAX_VALUE);
    }

    /// Registers the gauges of use and limit, for an operator to compare.
    public void register(MeterRegistry registry) {
        Gauge.builder("xen.evtchn.table.ports", this, PortAccount::used)
                .description("Event channel ports for which the tables of all guests have room")
                .baseUnit("ports")
                .register(registry);
        Gauge.builder("xen.evtchn.table.limit", this, account -> account.limit)
                .description("The most event channel ports for which they may have room")
                .baseUnit("ports")
                .register(registry);
    }

    synchronized long used() {
        return used;
    }

    /// Takes room for ports.
    ///
    /// @return false if there is not enough room; then nothing is taken
    synchronized boolean take(int ports) {
        if (ports > limit - used) {
            return false;
        }
        used += ports;
        return true;
    }

    /// Takes room that a domain needs to exist, even beyond the limit; later [#take] calls are then refused earlier.
    synchronized void takeFirst(int ports) {
        used += ports;
    }

    synchronized void give(int ports) {
        used -= ports;
    }
}
