package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.abi.VcpuId;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// A VM's interrupt routes, and the eventfds that raise interrupts or that guest writes signal. Threads and failures
/// as for [KvmVm].
///
/// Source: Linux, Documentation/virt/kvm/api.rst.
public final class KvmEvents {
    private static final int IRQFD_DEASSIGN = 1;
    private static final int IRQFD_RESAMPLE = 2;
    private static final int IOEVENTFD_DATAMATCH = 1;
    private static final int IOEVENTFD_PIO = 2;
    private static final int IOEVENTFD_DEASSIGN = 4;
    private static final int ROUTING_IRQCHIP = 1;
    private static final int ROUTING_MSI = 2;
    private static final int ROUTING_XEN_EVTCHN = 5;

    private final KvmDescriptor fd;

    KvmEvents(KvmDescriptor fd) {
        this.fd = fd;
    }

    /// KVM_SET_GSI_ROUTING: replaces the whole table, so `routes` must include those of the interrupt chips.
    public void setGsiRouting(List<GsiRoute> routes) {
        try (Arena arena = Arena.ofConfined()) {
            long header = VmStructs.KVM_IRQ_ROUTING.byteSize();
            long size = VmStructs.KVM_IRQ_ROUTING_ENTRY.byteSize();
            MemorySegment table = arena.allocate(header + routes.size() * size, Long.BYTES);
            new CStruct(table, VmStructs.KVM_IRQ_ROUTING).set("nr", routes.size());
            long at = header;
            for (GsiRoute route : routes) {
                encode(
                        route,
                        new CStruct(table.asSlice(at, size), VmStructs.KVM_IRQ_ROUTING_ENTRY));
                at += size;
            }
            KvmIoctl.KVM_SET_GSI_ROUTING.call(fd, table);
        }
    }

    private static void encode(GsiRoute route, CStruct entry) {
        entry.set("gsi", route.gsi());
        switch (route) {
            case GsiRoute.Irqchip(_, IrqchipId chip, int pin) ->
                    entry.set("type", ROUTING_IRQCHIP)
                            .set("u.irqchip.irqchip", chip.value())
                            .set("u.irqchip.pin", pin);
            case GsiRoute.Msi(_, long address, int data) ->
                    entry.set("type", ROUTING_MSI)
                            .set("u.msi.address_lo", address)
                            .set("u.msi.address_hi", address >>> Integer.SIZE)
                            .set("u.msi.data", data);
            case GsiRoute.XenEvtchn(_, int port, VcpuId vcpu) ->
                    entry.set("type", ROUTING_XEN_EVTCHN)
                            .set("u.xen_evtchn.port", port)
                            .set("u.xen_evtchn.vcpu", vcpu.value())
                            .set("u.xen_evtchn.priority", XenHvmAttributes.PRIORITY_2LEVEL);
        }
    }

    /// KVM_IRQFD: every signal of the eventfd raises the GSI once, as an edge. One eventfd serves one GSI of a VM. An
    /// eventfd that is already signalled raises it at once.
    ///
    /// @param eventfd descriptor of an eventfd; KVM keeps its own reference
    public void assignIrqfd(int eventfd, int gsi) {
        irqfd(eventfd, gsi, 0, 0);
    }

    /// KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE, for a level-triggered interrupt; needs [KvmVm#createIrqchip]. A signal
    /// asserts the GSI; when the guest acknowledges, KVM deasserts it and signals `resamplefd`.
    public void assignResampleIrqfd(int eventfd, int gsi, int resamplefd) {
        irqfd(eventfd, gsi, IRQFD_RESAMPLE, resamplefd);
    }

    /// KVM_IRQFD with KVM_IRQFD_FLAG_DEASSIGN: ends an irqfd of either kind, after signals in flight.
    public void deassignIrqfd(int eventfd, int gsi) {
        irqfd(eventfd, gsi, IRQFD_DEASSIGN, 0);
    }

    private void irqfd(int eventfd, int gsi, int flags, int resamplefd) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct irqfd =
                    CStruct.allocate(arena, VmStructs.KVM_IRQFD)
                            .set("fd", eventfd)
                            .set("gsi", gsi)
                            .set("flags", flags)
                            .set("resamplefd", resamplefd);
            KvmDescriptor.Link fired = irqfd.descriptor("fd");
            if ((flags & IRQFD_RESAMPLE) == 0) {
                KvmIoctl.KVM_IRQFD.call(fd, irqfd.memory(), fired);
            } else {
                KvmIoctl.KVM_IRQFD.call(fd, irqfd.memory(), fired, irqfd.descriptor("resamplefd"));
            }
        }
    }

    /// KVM_IOEVENTFD: a write of the guest signals the eventfd instead of exiting to user space.
    public void assignIoeventfd(int eventfd, IoEvent event) {
        ioeventfd(eventfd, event, 0);
    }

    /// KVM_IOEVENTFD with KVM_IOEVENTFD_FLAG_DEASSIGN; the arguments must be those of [#assignIoeventfd].
    public void deassignIoeventfd(int eventfd, IoEvent event) {
        ioeventfd(eventfd, event, IOEVENTFD_DEASSIGN);
    }

    private void ioeventfd(int eventfd, IoEvent event, int flags) {
        int all =
                flags
                        | (event.pio() ? IOEVENTFD_PIO : 0)
                        | (event.match().isPresent() ? IOEVENTFD_DATAMATCH : 0);
        try (Arena arena = Arena.ofConfined()) {
            CStruct struct =
                    CStruct.allocate(arena, VmStructs.KVM_IOEVENTFD)
                            .set("datamatch", event.match().orElse(0))
                            .set("addr", event.address())
                            .set("len", event.length())
                            .set("fd", eventfd)
                            .set("flags", all);
            KvmIoctl.KVM_IOEVENTFD.call(fd, struct.memory(), struct.descriptor("fd"));
        }
    }
}
