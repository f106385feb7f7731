package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.libc.CallSlot;
import io.xenemu.kvm.libc.Mapping;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Set;

/// A VM's file descriptor: one method for each ioctl, except those of [#events] and [#xen]. Any thread of the process
/// that created the VM may call them; no vCPU has to stop. Every method throws [KvmException] if the kernel refuses.
///
/// Source: Linux, Documentation/virt/kvm/api.rst.
public final class KvmVm implements AutoCloseable {
    /// `KVM_MEM_LOG_DIRTY_PAGES`, a flag of a memory slot.
    public static final int MEM_LOG_DIRTY_PAGES = 1;

    /// `KVM_MEM_READONLY`, a flag of a memory slot: a guest's writes become MMIO exits.
    public static final int MEM_READONLY = 2;

    /// `KVM_PIT_SPEAKER_DUMMY`: the kernel also serves the speaker port.
    public static final int PIT_SPEAKER_DUMMY = 1;

    /// `KVM_MSR_EXIT_REASON_FILTER`: an access that the filter denies causes an exit.
    static final int MSR_EXIT_REASON_FILTER = 1 << 2;

    /// `KVM_MSR_FILTER_READ` and `KVM_MSR_FILTER_WRITE`: the accesses that a range of the filter covers.
    static final int MSR_FILTER_READ = 1;

    static final int MSR_FILTER_WRITE = 1 << 1;

    private static final int ENABLE_CAP_ARGS = 4;

    /// Mode 5 of the i8254: hardware-triggered strobe.
    private static final byte PIT_MODE_TRIGGERED = 5;

    private final KvmDescriptor fd;
    private final int vcpuMmapSize;
    private final KvmEvents events;
    private final XenHvmAttributes xen;

    /// A VM of another process, which makes its vCPUs.
    public static KvmVm attached(KvmDescriptor fd) {
        return new KvmVm(fd, 0);
    }

    KvmVm(KvmDescriptor fd, int vcpuMmapSize) {
        this.fd = fd;
        this.vcpuMmapSize = vcpuMmapSize;
        this.events = new KvmEvents(fd);
        this.xen = new XenHvmAttributes(fd);
    }

    /// KVM_CHECK_EXTENSION for this VM; the answer may differ from [KvmSystem#checkExtension].
    public int checkExtension(KvmCapability capability) {
        return KvmIoctl.KVM_CHECK_EXTENSION.call(fd, capability.number());
    }

    /// KVM_ENABLE_CAP.
    ///
    /// @param args at most four
    public void enableCap(KvmCapability capability, long... args) {
        if (args.length > ENABLE_CAP_ARGS) {
            throw new IllegalArgumentException("KVM_ENABLE_CAP with " + args.length + " arguments");
        }
        try (Arena arena = Arena.ofConfined()) {
            CStruct cap = CStruct.allocate(arena, VmStructs.KVM_ENABLE_CAP);
            cap.set("cap", capability.number());
            long at = CTypes.offset(VmStructs.KVM_ENABLE_CAP, "args");
            MemorySegment.copy(args, 0, cap.memory(), ValueLayout.JAVA_LONG, at, args.length);
            KvmIoctl.KVM_ENABLE_CAP.call(fd, cap.memory());
        }
    }

    /// KVM_X86_SET_MSR_FILTER and KVM_CAP_X86_USER_SPACE_MSR: the guest's reads and writes of this MSR become exits
    /// (X86_RDMSR, X86_WRMSR), even if KVM implements it. Replaces earlier traps. Our own KVM_SET_MSRS is not
    /// affected.
    ///
    /// @param index must not be an x2APIC MSR, which cannot be trapped
    public void trapMsr(int index) {
        enableCap(KvmCapability.X86_USER_SPACE_MSR, MSR_EXIT_REASON_FILTER);
        try (Arena arena = Arena.ofConfined()) {
            // A filter of one MSR, whose bit 0 denies it; all other MSRs are allowed.
            MemorySegment bitmap = arena.allocate(ValueLayout.JAVA_BYTE);
            CStruct filter = CStruct.allocate(arena, VmStructs.KVM_MSR_FILTER);
            long at = CTypes.offset(VmStructs.KVM_MSR_FILTER, "ranges");
            new CStruct(filter.memory().asSlice(at), VmStructs.KVM_MSR_FILTER_RANGE)
                    .set("flags", MSR_FILTER_READ | MSR_FILTER_WRITE)
                    .set("nmsrs", 1)
                    .set("base", index);
            KvmIoctl.KVM_X86_SET_MSR_FILTER.call(
                    fd,
                    filter.memory(),
                    new KvmDescriptor.Link.Address(
                            at + CTypes.offset(VmStructs.KVM_MSR_FILTER_RANGE, "bitmap"), bitmap));
        }
    }

    /// KVM_CREATE_VCPU. The id is also the vCPU's APIC id.
    public KvmVcpu createVcpu(VcpuId id) {
        int vcpu = KvmIoctl.KVM_CREATE_VCPU.call(fd, id.value());
        return KvmVcpu.of(id, OwnedFd.of("KVM_CREATE_VCPU", vcpu, ""), vcpuMmapSize);
    }

    // Memory.

    /// KVM_SET_USER_MEMORY_REGION: creates a slot, moves it, or changes its flags. Costs tens of microseconds, and
    /// moving drops every page table of the VM.
    ///
    /// @param slot 0 to [KvmCapability#NR_MEMSLOTS] - 1
    /// @param flags [#MEM_LOG_DIRTY_PAGES], [#MEM_READONLY]
    /// @param guestAddress guest physical, page-aligned
    /// @param host page-aligned native memory that stays mapped while the slot exists
    public void setMemoryRegion(int slot, int flags, long guestAddress, MemorySegment host) {
        setMemoryRegion(slot, flags, guestAddress, host.byteSize(), host.address());
    }

    /// As [#setMemoryRegion(int, int, long, MemorySegment)], for memory of the process that has made the VM.
    ///
    /// @param host address there
    public void setMemoryRegionAt(int slot, long guestAddress, long bytes, long host) {
        setMemoryRegion(slot, 0, guestAddress, bytes, host);
    }

    /// KVM_SET_USER_MEMORY_REGION with size 0: deletes a slot.
    public void deleteMemoryRegion(int slot) {
        setMemoryRegion(slot, 0, 0, 0, 0);
    }

    private void setMemoryRegion(int slot, int flags, long guest, long size, long host) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct region =
                    CStruct.allocate(arena, VmStructs.KVM_USERSPACE_MEMORY_REGION)
                            .set("slot", slot)
                            .set("flags", flags)
                            .set("guest_phys_addr", guest)
                            .set("memory_size", size)
                            .set("userspace_addr", host);
            KvmIoctl.KVM_SET_USER_MEMORY_REGION.call(fd, region.memory());
        }
    }

    /// KVM_GET_DIRTY_LOG: the pages of a slot that were written since the last call.
    ///
    /// @param bitmap native memory, one bit per page, a multiple of 8 bytes
    public void getDirtyLog(int slot, MemorySegment bitmap) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct log = CStruct.allocate(arena, VmStructs.KVM_DIRTY_LOG).set("slot", slot);
            KvmIoctl.KVM_GET_DIRTY_LOG.call(fd, log.memory(), log.address("dirty_bitmap", bitmap));
        }
    }

    /// KVM_CLEAR_DIRTY_LOG: protects pages again after they were read, under
    /// [KvmCapability#MANUAL_DIRTY_LOG_PROTECT2].
    ///
    /// @param firstPage a multiple of 64
    /// @param pages a multiple of 64, unless up to the end of the slot
    /// @param bitmap native memory, bit 0 for `firstPage`
    public void clearDirtyLog(int slot, long firstPage, int pages, MemorySegment bitmap) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct log =
                    CStruct.allocate(arena, VmStructs.KVM_CLEAR_DIRTY_LOG)
                            .set("slot", slot)
                            .set("num_pages", pages)
                            .set("first_page", firstPage);
            KvmIoctl.KVM_CLEAR_DIRTY_LOG.call(
                    fd, log.memory(), log.address("dirty_bitmap", bitmap));
        }
    }

    /// KVM_SET_TSS_ADDR: three pages of guest physical space below 4 GiB that Intel processors without unrestricted
    /// guest mode need, outside all slots.
    public void setTssAddr(long guestAddress) {
        KvmIoctl.KVM_SET_TSS_ADDR.call(fd, guestAddress);
    }

    /// KVM_SET_IDENTITY_MAP_ADDR: one page for the same processors; before the first vCPU.
    public void setIdentityMapAddr(long guestAddress) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = arena.allocateFrom(ValueLayout.JAVA_LONG, guestAddress);
            KvmIoctl.KVM_SET_IDENTITY_MAP_ADDR.call(fd, address);
        }
    }

    // Interrupt chips.

    /// KVM_CREATE_IRQCHIP: PICs, I/O APIC and local APICs in the kernel; before the first vCPU.
    public void createIrqchip() {
        KvmIoctl.KVM_CREATE_IRQCHIP.call(fd, 0);
    }

    /// KVM_ENABLE_CAP(KVM_CAP_SPLIT_IRQCHIP): only the local APICs in the kernel; before the first vCPU.
    ///
    /// @param ioapicPins routes reserved for a user-space I/O APIC, normally 24
    public void splitIrqchip(int ioapicPins) {
        enableCap(KvmCapability.SPLIT_IRQCHIP, ioapicPins);
    }

    /// KVM_GET_IRQCHIP: a chip's state, 512 opaque bytes.
    public byte[] getIrqchip(IrqchipId chip) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct state =
                    CStruct.allocate(arena, VmStructs.KVM_IRQCHIP).set("chip_id", chip.value());
            KvmIoctl.KVM_GET_IRQCHIP.call(fd, state.memory());
            return state.getBytes("chip");
        }
    }

    /// KVM_SET_IRQCHIP: restores what [#getIrqchip] returned.
    public void setIrqchip(IrqchipId chip, byte[] state) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct struct =
                    CStruct.allocate(arena, VmStructs.KVM_IRQCHIP)
                            .set("chip_id", chip.value())
                            .setBytes("chip", state);
            KvmIoctl.KVM_SET_IRQCHIP.call(fd, struct.memory());
        }
    }

    /// KVM_CREATE_PIT2: the i8254 timer in the kernel; needs [#createIrqchip].
    ///
    /// @param flags [#PIT_SPEAKER_DUMMY] or 0
    public void createPit2(int flags) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct config = CStruct.allocate(arena, VmStructs.KVM_PIT_CONFIG).set("flags", flags);
            KvmIoctl.KVM_CREATE_PIT2.call(fd, config.memory());
        }
    }

    /// KVM_GET_PIT2: opaque bytes.
    public byte[] getPit2() {
        try (Arena arena = Arena.ofConfined()) {
            CStruct state = CStruct.allocate(arena, VmStructs.KVM_PIT_STATE2);
            KvmIoctl.KVM_GET_PIT2.call(fd, state.memory());
            return state.toBytes();
        }
    }

    /// KVM_SET_PIT2: restores what [#getPit2] returned.
    public void setPit2(byte[] state) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct struct = CStruct.copyOf(arena, VmStructs.KVM_PIT_STATE2, state);
            KvmIoctl.KVM_SET_PIT2.call(fd, struct.memory());
        }
    }

    /// Stops the timer chip by KVM_SET_PIT2: no interrupt of it is under way afterwards. Its first channel, which
    /// interrupts, gets the mode in which it waits for an edge of its gate. In a PC that never comes.
    ///
    /// @return the state before, with which [#setPit2] lets it go on
    public byte[] stopPit2() {
        byte[] running = getPit2();
        byte[] stopped = running.clone();
        stopped[(int) CTypes.offset(VmStructs.KVM_PIT_CHANNEL_STATE, "mode")] = PIT_MODE_TRIGGERED;
        setPit2(stopped);
        return running;
    }

    // Interrupts.

    /// KVM_IRQ_LINE: sets the level of a GSI; raising one with a Xen route sends the event. Does not allocate.
    public void irqLine(int gsi, boolean level) {
        MemorySegment line = CallSlot.current().scratch();
        line.set(ValueLayout.JAVA_INT, Hot.IRQ_LEVEL_IRQ, gsi);
        line.set(ValueLayout.JAVA_INT, Hot.IRQ_LEVEL_LEVEL, level ? 1 : 0);
        KvmIoctl.KVM_IRQ_LINE.call(fd, line);
    }

    /// KVM_SIGNAL_MSI. Does not allocate.
    ///
    /// @return whether it was delivered; false if the guest blocked it or has no local APIC of that id (a guest may
    ///     give two vCPUs the same id). KVM then returns EPERM, the value -1 of its search for a recipient
    public boolean signalMsi(long address, int data) {
        MemorySegment msi = CallSlot.current().scratch();
        msi.asSlice(0, VmStructs.KVM_MSI.byteSize()).fill((byte) 0);
        msi.set(ValueLayout.JAVA_INT, Hot.MSI_ADDRESS_LO, (int) address);
        msi.set(ValueLayout.JAVA_INT, Hot.MSI_ADDRESS_HI, (int) (address >>> Integer.SIZE));
        msi.set(ValueLayout.JAVA_INT, Hot.MSI_DATA, data);
        int result = KvmIoctl.KVM_SIGNAL_MSI.tryCall(fd, msi);
        if (result < 0 && result != -Errno.EPERM) {
            throw new KvmException(KvmIoctl.KVM_SIGNAL_MSI.name(), -result);
        }
        return result > 0;
    }

    /// Whether KVM never gives a failure to a request that signals an interrupt or connects an eventfd to one. False
    /// for all other requests.
    ///
    /// @param request of an ioctl on a VM
    public static boolean neverRefuses(long request, int errno) {
        if (request == KvmIoctl.KVM_XEN_HVM_EVTCHN_SEND.request()) {
            return errno != Errno.EINVAL;
        }
        if (request == KvmIoctl.KVM_SIGNAL_MSI.request()) {
            return errno != Errno.EPERM;
        }
        return request == KvmIoctl.KVM_IRQFD.request()
                || request == KvmIoctl.KVM_IRQ_LINE.request();
    }

    /// GSI routing, irqfds and ioeventfds.
    public KvmEvents events() {
        return events;
    }

    // Time.

    /// KVM_GET_CLOCK.
    public ClockData getClock() {
        try (Arena arena = Arena.ofConfined()) {
            CStruct c = CStruct.allocate(arena, VmStructs.KVM_CLOCK_DATA);
            KvmIoctl.KVM_GET_CLOCK.call(fd, c.memory());
            return new ClockData(
                    c.get("clock"), c.getInt("flags"), c.get("realtime"), c.get("host_tsc"));
        }
    }

    /// KVM_SET_CLOCK. A saved clock's flags may be passed unchanged: the kernel uses [ClockData#REALTIME], and
    /// accepts and ignores [ClockData#TSC_STABLE] and [ClockData#HOST_TSC].
    public void setClock(ClockData clock) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct c =
                    CStruct.allocate(arena, VmStructs.KVM_CLOCK_DATA)
                            .set("clock", clock.clock())
                            .set("flags", clock.flags())
                            .set("realtime", clock.realtime())
                            .set("host_tsc", clock.hostTsc());
            KvmIoctl.KVM_SET_CLOCK.call(fd, c.memory());
        }
    }

    // Xen.

    /// KVM_XEN_HVM_CONFIG: turns the Xen interface on.
    ///
    /// @param capabilities of [XenCapability#CONFIGURABLE]; [XenCapability#INTERCEPT_HCALL] among them
    /// @param msr number of the hypercall page's MSR, 0x40000000, or 0x40000200 beside Hyper-V leaves. Must not be 0,
    ///     even for a guest that never writes it: 0 turns interception and upcalls off
    public void xenHvmConfig(Set<XenCapability> capabilities, int msr) {
        xenHvmConfig(capabilities, msr, MemorySegment.NULL, MemorySegment.NULL);
    }

    /// KVM_XEN_HVM_CONFIG with hypercall pages of our own, for kernels without [XenCapability#INTERCEPT_HCALL].
    ///
    /// @param pages32 whole pages, at most 255, for a guest in 32-bit mode
    /// @param pages64 whole pages, at most 255, for a guest in 64-bit mode
    public void xenHvmConfig(
            Set<XenCapability> capabilities,
            int msr,
            MemorySegment pages32,
            MemorySegment pages64) {
        long page = Mapping.PAGE_SIZE;
        try (Arena arena = Arena.ofConfined()) {
            CStruct config =
                    CStruct.allocate(arena, XenStructs.KVM_XEN_HVM_CONFIG)
                            .set("flags", XenCapability.encode(capabilities))
                            .set("msr", msr)
                            .set("blob_addr_32", pages32.address())
                            .set("blob_addr_64", pages64.address())
                            .set("blob_size_32", pages32.byteSize() / page)
                            .set("blob_size_64", pages64.byteSize() / page);
            KvmIoctl.KVM_XEN_HVM_CONFIG.call(fd, config.memory());
        }
    }

    /// KVM_XEN_HVM_EVTCHN_SEND: raises an event channel of the guest, 2-level ABI. A pending or masked port is no
    /// error. Does not allocate.
    ///
    /// @param port 1 to 4095, or 1023 for a 32-bit guest
    /// @param vcpu KVM's id of the vCPU to notify
    public void xenEvtchnSend(int port, VcpuId vcpu) {
        MemorySegment event = CallSlot.current().scratch();
        event.set(ValueLayout.JAVA_INT, Hot.EVTCHN_PORT, port);
        event.set(ValueLayout.JAVA_INT, Hot.EVTCHN_VCPU, vcpu.value());
        event.set(ValueLayout.JAVA_INT, Hot.EVTCHN_PRIORITY, XenHvmAttributes.PRIORITY_2LEVEL);
        KvmIoctl.KVM_XEN_HVM_EVTCHN_SEND.call(fd, event);
    }

    /// The attributes of KVM_XEN_HVM_SET_ATTR and KVM_XEN_HVM_GET_ATTR.
    public XenHvmAttributes xen() {
        return xen;
    }

    /// Closes the descriptor. The VM itself ends with its last vCPU and mapping.
    @Override
    public void close() {
        fd.close();
    }

    /// Offsets of the structures that are filled in on hot paths.
    private static final class Hot {
        static final long IRQ_LEVEL_IRQ = CTypes.offset(VmStructs.KVM_IRQ_LEVEL, "irq");
        static final long IRQ_LEVEL_LEVEL = CTypes.offset(VmStructs.KVM_IRQ_LEVEL, "level");
        static final long MSI_ADDRESS_LO = CTypes.offset(VmStructs.KVM_MSI, "address_lo");
        static final long MSI_ADDRESS_HI = CTypes.offset(VmStructs.KVM_MSI, "address_hi");
        static final long MSI_DATA = CTypes.offset(VmStructs.KVM_MSI, "data");
        static final long EVTCHN_PORT =
                CTypes.offset(XenStructs.KVM_IRQ_ROUTING_XEN_EVTCHN, "port");
        static final long EVTCHN_VCPU =
                CTypes.offset(XenStructs.KVM_IRQ_ROUTING_XEN_EVTCHN, "vcpu");
        static final long EVTCHN_PRIORITY =
                CTypes.offset(XenStructs.KVM_IRQ_ROUTING_XEN_EVTCHN, "priority");

        private Hot() {}
    }
}
