package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.Mapping;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// A vCPU's file descriptor: one method for each ioctl.
///
/// One thread runs the vCPU. Other threads of the process may call the other methods, but KVM makes them wait until the
/// vCPU leaves KVM_RUN, which may be forever. Only [#kick] is meant for them. Every method throws [KvmException] if the
/// kernel refuses.
///
/// Source: Linux, Documentation/virt/kvm/api.rst and devices/vcpu.rst.
public final class KvmVcpu implements AutoCloseable {
    private static final int TSC_GROUP = 0;
    private static final int TSC_OFFSET = 0;
    private static final int SIGSET_BYTES = 8;

    private final VcpuId id;
    private final VcpuDescriptor fd;
    private final Arena mapping;
    private final KvmRun run;
    private final XenVcpuAttributes xen;

    private KvmVcpu(VcpuId id, VcpuDescriptor fd, Arena mapping, KvmRun run) {
        this.id = id;
        this.fd = fd;
        this.mapping = mapping;
        this.run = run;
        this.xen = new XenVcpuAttributes(fd);
    }

    /// Takes over the descriptor, and closes it if its kvm_run cannot be mapped.
    static KvmVcpu of(VcpuId id, OwnedFd fd, int mmapSize) {
        Arena mapping = Arena.ofShared();
        try {
            KvmRun run =
                    new KvmRun(
                            Mapping.map(
                                    mapping, fd.number(), 0, mmapSize, false, "kvm_run of " + id));
            return new KvmVcpu(id, new LocalVcpuDescriptor(fd, run), mapping, run);
        } catch (RuntimeException e) {
            mapping.close();
            fd.close();
            throw e;
        }
    }

    /// A vCPU of another process.
    ///
    /// @param mapping owns the mapping of `run`; closed with the vCPU
    public static KvmVcpu attached(VcpuId id, VcpuDescriptor fd, Arena mapping, KvmRun run) {
        return new KvmVcpu(id, fd, mapping, run);
    }

    /// The id with which the vCPU was created.
    public VcpuId id() {
        return id;
    }

    /// The structure shared with the kernel.
    public KvmRun run() {
        return run;
    }

    /// KVM_RUN: completes the pending exit and runs the guest until the next one. Does not allocate. Must always be
    /// called by the same thread.
    ///
    /// @return 0 for an exit, described in [#run]; [Errno#EINTR] after a [#kick], another signal, or a request for
    ///     immediate exit; [Errno#EAGAIN] for a vCPU that another vCPU has just started, to be entered again;
    ///     [Errno#EFAULT] if the host has no page for the guest's access, or only a read-only one
    /// @throws KvmException for anything else
    public int enter() {
        // KVM overwrites registers that it refuses: that failure would not be seen again.
        if (!run.takeDirty() && fd.run() >= 0) {
            return 0;
        }
        int result = fd.runAgain();
        if (result >= 0) {
            return 0;
        }
        int errno = -result;
        if (errno == Errno.EINTR || errno == Errno.EAGAIN || errno == Errno.EFAULT) {
            return errno;
        }
        throw new KvmException("KVM_RUN", errno, id.toString());
    }

    /// Makes [#enter] return [Errno#EINTR]: at once if the vCPU is in the guest, else at its next call. It keeps
    /// doing so until the vCPU's thread calls [KvmRun#clearImmediateExit]. Any thread may call this; a kick is never
    /// lost.
    public void kick() {
        fd.kick();
    }

    // Registers.

    /// KVM_GET_REGS.
    public KvmRegs getRegs() {
        return KvmRegs.of(get(KvmIoctl.KVM_GET_REGS, VcpuStructs.KVM_REGS));
    }

    /// KVM_SET_REGS.
    public void setRegs(KvmRegs regs) {
        set(KvmIoctl.KVM_SET_REGS, VcpuStructs.KVM_REGS, regs.toBytes());
    }

    /// KVM_GET_SREGS.
    public KvmSregs getSregs() {
        return KvmSregs.of(get(KvmIoctl.KVM_GET_SREGS, VcpuStructs.KVM_SREGS));
    }

    /// KVM_GET_SREGS into [KvmRun#sregs], for an exit at which they were not requested. Does not allocate.
    public void fillSregs() {
        KvmIoctl.KVM_GET_SREGS.call(fd, run.sregs().memory());
    }

    /// KVM_SET_SREGS.
    public void setSregs(KvmSregs sregs) {
        set(KvmIoctl.KVM_SET_SREGS, VcpuStructs.KVM_SREGS, sregs.toBytes());
    }

    /// KVM_GET_SREGS2: those of KVM_GET_SREGS as opaque bytes, with the PDPTRs of a guest in PAE mode, and without the
    /// interrupt that is being delivered, which [#getVcpuEvents] has.
    public byte[] getSregs2() {
        return get(KvmIoctl.KVM_GET_SREGS2, VcpuStructs.KVM_SREGS2);
    }

    /// KVM_SET_SREGS2: restores what [#getSregs2] returned.
    public void setSregs2(byte[] sregs2) {
        set(KvmIoctl.KVM_SET_SREGS2, VcpuStructs.KVM_SREGS2, sregs2);
    }

    /// KVM_GET_MSRS.
    ///
    /// @throws KvmException EINVAL, naming the MSR, if one cannot be read
    public List<MsrEntry> getMsrs(int... indices) {
        List<MsrEntry> wanted = Arrays.stream(indices).mapToObj(i -> new MsrEntry(i, 0)).toList();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = MsrEntry.table(arena, wanted);
            int done = KvmIoctl.KVM_GET_MSRS.call(fd, table);
            requireAll("KVM_GET_MSRS", done, wanted);
            return MsrEntry.read(table, done);
        }
    }

    /// KVM_GET_MSRS, without those that the vCPU does not have.
    public List<MsrEntry> getExistingMsrs(int... indices) {
        List<MsrEntry> wanted = Arrays.stream(indices).mapToObj(i -> new MsrEntry(i, 0)).toList();
        List<MsrEntry> found = new ArrayList<>();
        // KVM stops at the first that it cannot read.
        for (int from = 0; from < wanted.size(); ) {
            List<MsrEntry> rest = wanted.subList(from, wanted.size());
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment table = MsrEntry.table(arena, rest);
                int done = KvmIoctl.KVM_GET_MSRS.call(fd, table);
                found.addAll(MsrEntry.read(table, done));
                from += done + 1;
            }
        }
        return List.copyOf(found);
    }

    /// KVM_SET_MSRS, in this order.
    ///
    /// @throws KvmException EINVAL, naming the MSR, if one cannot be written; those before it have been written
    public void setMsrs(List<MsrEntry> msrs) {
        try (Arena arena = Arena.ofConfined()) {
            int done = KvmIoctl.KVM_SET_MSRS.call(fd, MsrEntry.table(arena, msrs));
            requireAll("KVM_SET_MSRS", done, msrs);
        }
    }

    private static void requireAll(String call, int done, List<MsrEntry> msrs) {
        if (done < msrs.size()) {
            MsrEntry refused = msrs.get(done);
            throw new KvmException(
                    call,
                    Errno.EINVAL,
                    "MSR %#x value %#x".formatted(refused.index(), refused.data()));
        }
    }

    /// KVM_SET_CPUID2: sets the guest's CPUID leaves; before the first [#enter].
    public void setCpuid(List<CpuidEntry> entries) {
        try (Arena arena = Arena.ofConfined()) {
            KvmIoctl.KVM_SET_CPUID2.call(fd, CpuidEntry.table(arena, entries));
        }
    }

    /// KVM_GET_CPUID2: the guest's CPUID leaves as KVM has them now, with what it keeps itself.
    public List<CpuidEntry> getCpuid() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = CpuidEntry.empty(arena, CpuidEntry.MAX_ENTRIES);
            KvmIoctl.KVM_GET_CPUID2.call(fd, table);
            return CpuidEntry.read(table);
        }
    }

    /// KVM_ENABLE_CAP on a vCPU, with one argument.
    public void enableCap(KvmCapability capability, long argument) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct cap =
                    CStruct.allocate(arena, VmStructs.KVM_ENABLE_CAP)
                            .set("cap", capability.number());
            long at = CTypes.offset(VmStructs.KVM_ENABLE_CAP, "args");
            cap.memory().set(ValueLayout.JAVA_LONG, at, argument);
            KvmIoctl.KVM_ENABLE_CAP.call(fd, cap.memory());
        }
    }

    /// KVM_GET_FPU: opaque bytes.
    public byte[] getFpu() {
        return get(KvmIoctl.KVM_GET_FPU, VcpuStructs.KVM_FPU);
    }

    /// KVM_SET_FPU: restores what [#getFpu] returned.
    public void setFpu(byte[] fpu) {
        set(KvmIoctl.KVM_SET_FPU, VcpuStructs.KVM_FPU, fpu);
    }

    /// KVM_GET_XCRS: opaque bytes.
    public byte[] getXcrs() {
        return get(KvmIoctl.KVM_GET_XCRS, VcpuStructs.KVM_XCRS);
    }

    /// KVM_SET_XCRS: restores what [#getXcrs] returned; before [#setXsave].
    public void setXcrs(byte[] xcrs) {
        set(KvmIoctl.KVM_SET_XCRS, VcpuStructs.KVM_XCRS, xcrs);
    }

    /// KVM_GET_XSAVE, or KVM_GET_XSAVE2 if the state does not fit the former: opaque bytes.
    ///
    /// @param size the VM's answer for [KvmCapability#XSAVE2]; 0 from a kernel without it
    public byte[] getXsave(int size) {
        long fixed = VcpuStructs.KVM_XSAVE.byteSize();
        if (size <= fixed) {
            return get(KvmIoctl.KVM_GET_XSAVE, VcpuStructs.KVM_XSAVE);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(size, Long.BYTES);
            KvmIoctl.KVM_GET_XSAVE2.call(fd, state);
            return state.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /// KVM_SET_XSAVE: restores what [#getXsave] returned.
    ///
    /// @param size as for [#getXsave]; if the host needs more bytes than were saved, the rest is zero
    public void setXsave(byte[] xsave, int size) {
        long need = Math.max(size, VcpuStructs.KVM_XSAVE.byteSize());
        if (xsave.length > need) {
            throw new IllegalArgumentException(
                    "xsave of %d bytes, this host has %d".formatted(xsave.length, need));
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(need, Long.BYTES);
            MemorySegment.copy(xsave, 0, state, ValueLayout.JAVA_BYTE, 0, xsave.length);
            KvmIoctl.KVM_SET_XSAVE.call(fd, state);
        }
    }

    /// KVM_GET_DEBUGREGS: opaque bytes.
    public byte[] getDebugregs() {
        return get(KvmIoctl.KVM_GET_DEBUGREGS, VcpuStructs.KVM_DEBUGREGS);
    }

    /// KVM_SET_DEBUGREGS: restores what [#getDebugregs] returned.
    public void setDebugregs(byte[] debugregs) {
        set(KvmIoctl.KVM_SET_DEBUGREGS, VcpuStructs.KVM_DEBUGREGS, debugregs);
    }

    // Interrupts and events.

    /// KVM_GET_LAPIC: the 1024 bytes of the local APIC's register page.
    public byte[] getLapic() {
        return get(KvmIoctl.KVM_GET_LAPIC, VcpuStructs.KVM_LAPIC_STATE);
    }

    /// KVM_SET_LAPIC.
    public void setLapic(byte[] lapic) {
        set(KvmIoctl.KVM_SET_LAPIC, VcpuStructs.KVM_LAPIC_STATE, lapic);
    }

    /// KVM_GET_MP_STATE.
    public MpState getMpState() {
        try (Arena arena = Arena.ofConfined()) {
            CStruct state = CStruct.allocate(arena, VcpuStructs.KVM_MP_STATE);
            KvmIoctl.KVM_GET_MP_STATE.call(fd, state.memory());
            return MpState.of(state.getInt("mp_state"));
        }
    }

    /// KVM_SET_MP_STATE.
    public void setMpState(MpState state) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct struct =
                    CStruct.allocate(arena, VcpuStructs.KVM_MP_STATE)
                            .set("mp_state", state.value());
            KvmIoctl.KVM_SET_MP_STATE.call(fd, struct.memory());
        }
    }

    /// KVM_GET_VCPU_EVENTS: opaque bytes.
    public byte[] getVcpuEvents() {
        return get(KvmIoctl.KVM_GET_VCPU_EVENTS, VcpuStructs.KVM_VCPU_EVENTS);
    }

    /// KVM_SET_VCPU_EVENTS: restores what [#getVcpuEvents] returned.
    public void setVcpuEvents(byte[] events) {
        set(KvmIoctl.KVM_SET_VCPU_EVENTS, VcpuStructs.KVM_VCPU_EVENTS, events);
    }

    /// Raises a fault with an error code instead of the instruction at which the vCPU has stopped, by
    /// KVM_SET_VCPU_EVENTS.
    ///
    /// @param vector 8 or 10 to 14
    public void raise(int vector, int errorCode) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct events = CStruct.allocate(arena, VcpuStructs.KVM_VCPU_EVENTS);
            KvmIoctl.KVM_GET_VCPU_EVENTS.call(fd, events.memory());
            events.set("exception.injected", 1)
                    .set("exception.nr", vector)
                    .set("exception.has_error_code", 1)
                    .set("exception.error_code", errorCode);
            KvmIoctl.KVM_SET_VCPU_EVENTS.call(fd, events.memory());
        }
    }

    /// KVM_NMI.
    public void nmi() {
        KvmIoctl.KVM_NMI.call(fd, 0);
    }

    /// KVM_SET_SIGNAL_MASK: the signals that are blocked while the guest runs, instead of the thread's own mask.
    ///
    /// @param mask bit n - 1 for signal n
    public void setSignalMask(long mask) {
        long header = VcpuStructs.KVM_SIGNAL_MASK.byteSize();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = arena.allocate(header + SIGSET_BYTES, Long.BYTES);
            new CStruct(struct, VcpuStructs.KVM_SIGNAL_MASK).set("len", SIGSET_BYTES);
            struct.set(ValueLayout.JAVA_LONG_UNALIGNED, header, mask);
            KvmIoctl.KVM_SET_SIGNAL_MASK.call(fd, struct);
        }
    }

    /// KVM_SET_SIGNAL_MASK without a mask: the thread's own applies again.
    public void clearSignalMask() {
        KvmIoctl.KVM_SET_SIGNAL_MASK.call(fd, MemorySegment.NULL);
    }

    // Time.

    /// The CPU time of the calling thread, in nanoseconds. For the thread that runs the vCPU it includes the time in
    /// the guest; it does not include time in which the guest has halted, or waited for a CPU of the host.
    public static long threadCpuTime() {
        return Libc.threadCpuTime();
    }

    /// KVM_GET_TSC_KHZ.
    public int getTscKhz() {
        return KvmIoctl.KVM_GET_TSC_KHZ.call(fd, 0);
    }

    /// KVM_SET_TSC_KHZ.
    public void setTscKhz(int khz) {
        KvmIoctl.KVM_SET_TSC_KHZ.call(fd, khz);
    }

    /// KVM_HAS_DEVICE_ATTR(KVM_VCPU_TSC_OFFSET): whether the next two methods work.
    public boolean hasTscOffset() {
        try (Arena arena = Arena.ofConfined()) {
            return tryTscOffset(KvmIoctl.KVM_HAS_DEVICE_ATTR, arena, MemorySegment.NULL) == 0;
        }
    }

    /// KVM_GET_DEVICE_ATTR(KVM_VCPU_TSC_OFFSET): the guest's TSC minus the host's.
    public long getTscOffset() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(ValueLayout.JAVA_LONG);
            tscOffset(KvmIoctl.KVM_GET_DEVICE_ATTR, arena, value);
            return value.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /// KVM_SET_DEVICE_ATTR(KVM_VCPU_TSC_OFFSET).
    public void setTscOffset(long offset) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocateFrom(ValueLayout.JAVA_LONG, offset);
            tscOffset(KvmIoctl.KVM_SET_DEVICE_ATTR, arena, value);
        }
    }

    private void tscOffset(KvmIoctl ioctl, Arena arena, MemorySegment value) {
        int result = tryTscOffset(ioctl, arena, value);
        if (result < 0) {
            throw new KvmException(ioctl.name(), -result);
        }
    }

    private int tryTscOffset(KvmIoctl ioctl, Arena arena, MemorySegment value) {
        CStruct attribute =
                CStruct.allocate(arena, VcpuStructs.KVM_DEVICE_ATTR)
                        .set("group", TSC_GROUP)
                        .set("attr", TSC_OFFSET);
        return ioctl.tryCall(fd, attribute.memory(), attribute.address("addr", value));
    }

    /// KVM_TRANSLATE: KVM's own page walk, for tests to compare with ours. It costs an ioctl, so nothing else uses
    /// it.
    public Translation translate(long guestVirtualAddress) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct t =
                    CStruct.allocate(arena, VcpuStructs.KVM_TRANSLATION)
                            .set("linear_address", guestVirtualAddress);
            KvmIoctl.KVM_TRANSLATE.call(fd, t.memory());
            return new Translation(t.get("physical_address"), t.get("valid") != 0);
        }
    }

    /// The attributes of KVM_XEN_VCPU_SET_ATTR and KVM_XEN_VCPU_GET_ATTR.
    public XenVcpuAttributes xen() {
        return xen;
    }

    /// Unmaps [#run] and closes the descriptor. The vCPU's thread must have ended.
    @Override
    public void close() {
        if (mapping.scope().isAlive()) {
            mapping.close();
        }
        fd.close();
    }

    private byte[] get(KvmIoctl ioctl, StructLayout layout) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct struct = CStruct.allocate(arena, layout);
            ioctl.call(fd, struct.memory());
            return struct.toBytes();
        }
    }

    private void set(KvmIoctl ioctl, StructLayout layout, byte[] value) {
        try (Arena arena = Arena.ofConfined()) {
            ioctl.call(fd, CStruct.copyOf(arena, layout, value).memory());
        }
    }
}
