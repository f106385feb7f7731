package io.xenemu.core.machine;

import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.delivery.CallbackVia;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.vm.GuestView;
import io.xenemu.core.vm.VmPort;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmEvents;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.ioctl.XenHvmAttributes;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.stream.IntStream;

/// A VM that this process has made with KVM. It gives KVM the calls of its domain, and closes its vCPUs.
public final class LocalVm implements VmPort {
    /// KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE.
    private static final long LOG_BY_HAND = 1;

    /// KVM_DIRTY_LOG_INITIALLY_SET: pages are protected as they are taken out of the log, not all at once.
    private static final long LOG_INITIALLY_SET = 2;

    private final KvmVm kvm;
    private final XenHvmAttributes xen;
    private final KvmEvents events;
    private final int hypercallMsr;
    private final VmHome home;

    /// KVM's number of each vCPU, which is its APIC id, by Xen's number.
    private final List<VcpuId> apicIds;

    private final Teardown open = new Teardown();

    /// Filled while the domain is built.
    private final List<KvmVcpu> vcpus = new ArrayList<>();

    /// Takes over the descriptor. The hypercall MSR has its usual number.
    public LocalVm(KvmVm kvm) {
        this(kvm, CpuConfig.DEFAULT.hypercallMsr(), 1);
    }

    /// Takes over the descriptor.
    ///
    /// @param hypercallMsr the number of the guest's hypercall MSR
    /// @param apicIdStep each vCPU's APIC id is its number times this
    LocalVm(KvmVm kvm, int hypercallMsr, int apicIdStep) {
        this(
                kvm,
                hypercallMsr,
                VmHome.HERE,
                IntStream.range(0, DomainConfig.MAX_VCPUS)
                        .mapToObj(vcpu -> new VcpuId(vcpu * apicIdStep))
                        .toList());
    }

    /// Takes over the descriptor.
    ///
    /// @param home the process that has made it
    /// @param apicIds of the vCPUs
    LocalVm(KvmVm kvm, int hypercallMsr, VmHome home, List<VcpuId> apicIds) {
        this.kvm = kvm;
        this.hypercallMsr = hypercallMsr;
        this.home = home;
        this.apicIds = apicIds;
        this.xen = kvm.xen();
        this.events = kvm.events();
        open.add(kvm::close);
    }

    /// KVM_CREATE_VCPU. The vCPU is closed with the VM, before it. Only while the domain is built.
    public LocalVcpu createVcpu(VcpuId id) {
        LocalVcpu vcpu = new LocalVcpu(kvm.createVcpu(apicId(id)));
        open.add(vcpu.kvm()::close);
        vcpus.add(vcpu.kvm());
        return vcpu;
    }

    /// A vCPU that was created before, or is now.
    LocalVcpu vcpu(VcpuId id) {
        return id.value() < vcpus.size() ? new LocalVcpu(vcpus.get(id.value())) : createVcpu(id);
    }

    /// KVM's number of a vCPU, which is its APIC id.
    private VcpuId apicId(VcpuId vcpu) {
        return apicIds.get(vcpu.value());
    }

    /// The descriptor.
    KvmVm kvm() {
        return kvm;
    }

    /// The descriptors of its vCPUs in order.
    List<KvmVcpu> vcpus() {
        return Collections.unmodifiableList(vcpus);
    }

    @Override
    public void longMode(boolean on) {
        xen.longMode(on);
    }

    @Override
    public void sharedInfoGfn(long gfn) {
        xen.sharedInfoGfn(gfn);
    }

    @Override
    public void sharedInfoHva(MemorySegment page) {
        xen.sharedInfoHva(page);
    }

    @Override
    public void upcallVector(int vector) {
        xen.upcallVector(vector);
    }

    @Override
    public void runstateUpdateFlag(boolean on) {
        xen.runstateUpdateFlag(on);
    }

    @Override
    public void assignIpi(int port, VcpuId vcpu) {
        xen.assignIpi(port, apicId(vcpu));
    }

    @Override
    public void assignLoopback(int sendPort, int deliverPort, VcpuId vcpu) {
        xen.assignLoopback(sendPort, deliverPort, apicId(vcpu));
    }

    @Override
    public void updateLoopback(int sendPort, int deliverPort, VcpuId vcpu) {
        xen.updateLoopback(sendPort, deliverPort, apicId(vcpu));
    }

    @Override
    public void assignEventfd(int sendPort, int eventfd) {
        xen.assignEventfd(sendPort, eventfd);
    }

    @Override
    public void deassignPort(int sendPort) {
        xen.deassign(sendPort);
    }

    @Override
    public void resetPorts() {
        xen.resetEvtchns();
    }

    @Override
    public void xenEvtchnSend(int port, VcpuId vcpu) {
        kvm.xenEvtchnSend(port, apicId(vcpu));
    }

    @Override
    public void servePolls(boolean on) {
        configure(kvm, hypercallMsr, on);
    }

    /// Makes KVM intercept hypercalls.
    ///
    /// @param polls as for [#servePolls]
    static void configure(KvmVm vm, int hypercallMsr, boolean polls) {
        EnumSet<XenCapability> served = EnumSet.of(XenCapability.INTERCEPT_HCALL);
        if (polls) {
            served.add(XenCapability.EVTCHN_SEND);
        }
        vm.xenHvmConfig(served, hypercallMsr);
    }

    @Override
    public void setGsiRouting(List<GsiRoute> routes) {
        events.setGsiRouting(routes.stream().map(this::toApicId).toList());
    }

    private GsiRoute toApicId(GsiRoute route) {
        return switch (route) {
            case GsiRoute.XenEvtchn event ->
                    new GsiRoute.XenEvtchn(
                            home.gsi(event.gsi()), event.port(), apicId(event.vcpu()));
            case GsiRoute.Irqchip _, GsiRoute.Msi _ -> route;
        };
    }

    /// KVM's number of a GSI: only those of event channels may differ.
    private int gsi(int gsi) {
        return gsi < CallbackVia.GSIS ? gsi : home.gsi(gsi);
    }

    @Override
    public void assignIrqfd(int eventfd, int gsi) {
        events.assignIrqfd(eventfd, gsi(gsi));
    }

    @Override
    public void assignResampleIrqfd(int eventfd, int gsi, int resamplefd) {
        events.assignResampleIrqfd(eventfd, gsi, resamplefd);
    }

    @Override
    public void deassignIrqfd(int eventfd, int gsi) {
        events.deassignIrqfd(eventfd, gsi(gsi));
    }

    @Override
    public void irqLine(int gsi, boolean level) {
        kvm.irqLine(gsi, level);
    }

    @Override
    public boolean signalMsi(long address, int data) {
        return kvm.signalMsi(address, data);
    }

    @Override
    public GuestView view(Arena arena, MemFd memory, long offset, long bytes, boolean readOnly) {
        return home.view(arena, memory, offset, bytes, readOnly);
    }

    @Override
    public void setMemoryRegion(int slot, long guestAddress, GuestView host, long bytes) {
        home.addSlot(kvm, slot, guestAddress, host, bytes);
    }

    @Override
    public void deleteMemoryRegion(int slot) {
        home.deleteSlot(kvm, slot);
    }

    @Override
    public void logWrites(int slot, long guestAddress, GuestView host, boolean on) {
        if (on) {
            // The kernel allows it at any time, and again.
            kvm.enableCap(KvmCapability.MANUAL_DIRTY_LOG_PROTECT2, LOG_BY_HAND | LOG_INITIALLY_SET);
        }
        kvm.setMemoryRegion(slot, on ? KvmVm.MEM_LOG_DIRTY_PAGES : 0, guestAddress, local(host));
    }

    private static MemorySegment local(GuestView view) {
        return view.here().orElseThrow();
    }

    @Override
    public void writtenPages(int slot, MemorySegment bitmap) {
        kvm.getDirtyLog(slot, bitmap);
    }

    @Override
    public void forgetWritten(int slot, long firstPage, int pages, MemorySegment bitmap) {
        kvm.clearDirtyLog(slot, firstPage, pages, bitmap);
    }

    @Override
    public long clock() {
        return kvm.getClock().clock();
    }

    @Override
    public void close() {
        open.close();
    }
}
