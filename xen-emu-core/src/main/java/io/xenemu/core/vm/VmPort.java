package io.xenemu.core.vm;

import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// The VM of a domain, with the calls that the service makes while the domain lives. The builder of the VM has turned
/// on its Xen interface and its interrupt chips.
///
/// Any thread may call every method; no vCPU has to stop. Every method throws [io.xenemu.kvm.abi.KvmException] if the
/// VM refuses: ENOENT for a Xen attribute that the kernel does not have, and as each method says.
///
/// Source: Linux, Documentation/virt/kvm/api.rst.
public interface VmPort extends AutoCloseable {
    /// The frame number that means "none".
    long INVALID_GFN = -1L;

    // Xen.

    /// KVM_XEN_ATTR_TYPE_LONG_MODE: selects shared_info's layout, and with it the number of ports (4096 or 1024).
    /// Writes the wall clock into an active shared_info.
    void longMode(boolean on);

    /// KVM_XEN_ATTR_TYPE_SHARED_INFO: sets shared_info's guest frame, and writes the wall clock there. EFAULT outside
    /// all memory slots.
    ///
    /// @param gfn a frame number, or [#INVALID_GFN] for none, however it was set
    void sharedInfoGfn(long gfn);

    /// KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA: sets shared_info's address in this process; changes of memory slots do not
    /// affect it. Needs [io.xenemu.kvm.ioctl.XenCapability#SHARED_INFO_HVA].
    ///
    /// @param page a page-aligned mapping that outlives this setting
    void sharedInfoHva(MemorySegment page);

    /// KVM_XEN_ATTR_TYPE_UPCALL_VECTOR: the vector of HVM_PARAM_CALLBACK_IRQ, injected without the local APIC into
    /// vCPUs with upcalls pending.
    ///
    /// @param vector 16 to 255, or 0 for none; else EINVAL
    void upcallVector(int vector);

    /// KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG: whether runstate areas are marked while they are written
    /// (VMASST_TYPE_runstate_update_flag). EOPNOTSUPP without runstate accounting.
    void runstateUpdateFlag(boolean on);

    /// KVM_XEN_ATTR_TYPE_EVTCHN: makes the VM deliver sends on an IPI port. EEXIST if the port is assigned, EINVAL if
    /// it is 0 or too high for the mode set by [#longMode].
    ///
    /// @param vcpu the vCPU that the port is bound to; it need not exist yet
    void assignIpi(int port, VcpuId vcpu);

    /// KVM_XEN_ATTR_TYPE_EVTCHN: turns sends on a port into events on another port of the same guest. Errors as
    /// [#assignIpi].
    void assignLoopback(int sendPort, int deliverPort, VcpuId vcpu);

    /// KVM_XEN_ATTR_TYPE_EVTCHN: changes the vCPU of a loopback. ENOENT if it is not assigned, EINVAL if the port
    /// differs.
    void updateLoopback(int sendPort, int deliverPort, VcpuId vcpu);

    /// KVM_XEN_ATTR_TYPE_EVTCHN: makes sends on a port signal an eventfd. Errors as [#assignIpi].
    ///
    /// @param eventfd descriptor of an eventfd; the VM keeps its own reference
    void assignEventfd(int sendPort, int eventfd);

    /// KVM_XEN_ATTR_TYPE_EVTCHN: makes sends on a port exit to user space again. ENOENT if it is not assigned.
    void deassignPort(int sendPort);

    /// KVM_XEN_ATTR_TYPE_EVTCHN: makes sends on all ports exit to user space again.
    void resetPorts();

    /// KVM_XEN_HVM_EVTCHN_SEND: raises an event channel of the guest, 2-level ABI. A pending or masked port is no
    /// error. EINVAL if the port is 0 or too high, or the vCPU has no `vcpu_info`. Does not allocate.
    ///
    /// @param port 1 to 4095, or 1023 for a 32-bit guest
    /// @param vcpu the vCPU to notify
    void xenEvtchnSend(int port, VcpuId vcpu);

    /// KVM_XEN_HVM_CONFIG: whether the VM serves SCHEDOP_poll, which looks at the bitmaps of the 2-level ABI. If not, a
    /// poll returns at once, as SCHEDOP_yield does. Kernels before 6.2 do that to all polls of 32-bit guests.
    void servePolls(boolean on);

    // Interrupts.

    /// KVM_SET_GSI_ROUTING: replaces the whole table, so `routes` must include those of the interrupt chips.
    void setGsiRouting(List<GsiRoute> routes);

    /// KVM_IRQFD: every signal of the eventfd raises the GSI once, as an edge. One eventfd serves one GSI of a VM:
    /// EBUSY for a second. An eventfd that is already signalled raises it at once.
    ///
    /// @param eventfd descriptor of an eventfd; the VM keeps its own reference
    void assignIrqfd(int eventfd, int gsi);

    /// KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE, for a level-triggered interrupt. A signal asserts the GSI; when the
    /// guest acknowledges, KVM deasserts it and signals `resamplefd`. Errors as [#assignIrqfd].
    void assignResampleIrqfd(int eventfd, int gsi, int resamplefd);

    /// KVM_IRQFD with KVM_IRQFD_FLAG_DEASSIGN: ends an irqfd of either kind, after signals in flight.
    void deassignIrqfd(int eventfd, int gsi);

    /// KVM_IRQ_LINE: sets the level of a GSI. Does not allocate.
    void irqLine(int gsi, boolean level);

    /// KVM_SIGNAL_MSI. Does not allocate.
    ///
    /// @return whether it was delivered; false if the guest blocked it or has no local APIC of that id
    boolean signalMsi(long address, int data);

    // Memory.

    /// Maps a part of a memory for the guest.
    ///
    /// @param arena owns the mapping
    /// @param offset of the first page in `memory`
    /// @param bytes whole pages
    /// @param readOnly whether writes by the guest have to fail
    GuestView view(Arena arena, MemFd memory, long offset, long bytes, boolean readOnly);

    /// KVM_SET_USER_MEMORY_REGION: creates a slot of guest-physical memory. EEXIST if another slot has one of its
    /// addresses, EINVAL beyond the guest's address width.
    ///
    /// @param guestAddress guest physical, page-aligned
    /// @param host of [#view], stays mapped while the slot exists
    /// @param bytes of its begin that the slot has
    void setMemoryRegion(int slot, long guestAddress, GuestView host, long bytes);

    /// KVM_SET_USER_MEMORY_REGION with size 0: deletes a slot. EINVAL if it does not exist.
    void deleteMemoryRegion(int slot);

    /// KVM_MEM_LOG_DIRTY_PAGES: logs the guest's writes to the pages of a slot, or ends that. At first the log has all
    /// pages. It has neither KVM's writes by a host address nor this process's.
    ///
    /// @param guestAddress as for [#setMemoryRegion]
    /// @param host as for [#setMemoryRegion]
    void logWrites(int slot, long guestAddress, GuestView host, boolean on);

    /// KVM_GET_DIRTY_LOG: the pages of a slot that were written, without taking them out of the log. ENOENT if it is
    /// not logged.
    ///
    /// @param bitmap gets one bit for each page; native memory, a multiple of 8 bytes
    void writtenPages(int slot, MemorySegment bitmap);

    /// KVM_CLEAR_DIRTY_LOG: takes pages out of the log, before their contents are read: a later write puts them back.
    ///
    /// @param firstPage a multiple of 64
    /// @param pages a multiple of 64, or up to the end of the slot
    /// @param bitmap the pages to take out, bit 0 for `firstPage`
    void forgetWritten(int slot, long firstPage, int pages, MemorySegment bitmap);

    // Time.

    /// KVM_GET_CLOCK: the VM's clock, which is Xen's system time, in nanoseconds.
    long clock();

    /// Ends this process's use of the VM and of its vCPUs, whose threads have ended.
    @Override
    void close();
}
