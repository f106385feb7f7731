package io.xenemu.kvm.ioctl;

import static io.xenemu.kvm.ioctl.CTypes.offset;
import static io.xenemu.kvm.ioctl.RunStructs.KVM_RUN;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Objects;

/// `struct kvm_run`, shared with the kernel: why a vCPU left the guest, and what the next KVM_RUN has to do. Only the
/// vCPU's thread uses it, except for [#requestImmediateExit]. Reading and writing do not allocate.
///
/// The members of different exits overlay each other: only those of the current [#exitReason] are valid.
public final class KvmRun {
    /// `KVM_EXIT_XEN_HCALL`, the one type of Xen exit.
    public static final int XEN_HCALL = 1;

    private static final long IMMEDIATE_EXIT = offset(KVM_RUN, "immediate_exit");
    private static final long EXIT_REASON = offset(KVM_RUN, "exit_reason");
    private static final long IF_FLAG = offset(KVM_RUN, "if_flag");
    private static final long CR8 = offset(KVM_RUN, "cr8");
    private static final long APIC_BASE = offset(KVM_RUN, "apic_base");
    private static final long HW_REASON = offset(KVM_RUN, "hw.hardware_exit_reason");
    private static final long IO_DIRECTION = offset(KVM_RUN, "io.direction");
    private static final long IO_SIZE = offset(KVM_RUN, "io.size");
    private static final long IO_PORT = offset(KVM_RUN, "io.port");
    private static final long IO_COUNT = offset(KVM_RUN, "io.count");
    private static final long IO_DATA_OFFSET = offset(KVM_RUN, "io.data_offset");
    private static final long MMIO_PHYS_ADDR = offset(KVM_RUN, "mmio.phys_addr");
    private static final long MMIO_DATA = offset(KVM_RUN, "mmio.data");
    private static final long MMIO_LEN = offset(KVM_RUN, "mmio.len");
    private static final long MMIO_IS_WRITE = offset(KVM_RUN, "mmio.is_write");
    private static final long SUBERROR = offset(KVM_RUN, "internal.suberror");
    private static final long SYSTEM_EVENT_TYPE = offset(KVM_RUN, "system_event.type");
    private static final long EOI_VECTOR = offset(KVM_RUN, "eoi.vector");
    private static final long MSR_ERROR = offset(KVM_RUN, "msr.error");
    private static final long MSR_INDEX = offset(KVM_RUN, "msr.index");
    private static final long MSR_DATA = offset(KVM_RUN, "msr.data");
    private static final long XEN_TYPE = offset(KVM_RUN, "xen.type");
    private static final long XEN_LONGMODE = offset(KVM_RUN, "xen.u.hcall.longmode");
    private static final long XEN_CPL = offset(KVM_RUN, "xen.u.hcall.cpl");
    private static final long XEN_INPUT = offset(KVM_RUN, "xen.u.hcall.input");
    private static final long XEN_RESULT = offset(KVM_RUN, "xen.u.hcall.result");
    private static final long XEN_PARAMS = offset(KVM_RUN, "xen.u.hcall.params");

    /// `memory_fault.gpa`, the second of three 64-bit members; headers before Linux 6.8 lack them.
    private static final long FAULT_GPA = offset(KVM_RUN, "padding") + Long.BYTES;

    private static final long VALID_REGS = offset(KVM_RUN, "kvm_valid_regs");
    private static final long DIRTY_REGS = offset(KVM_RUN, "kvm_dirty_regs");
    private static final int XEN_PARAM_COUNT = 6;
    private static final int IO_OUT = 1;
    private static final VarHandle BYTE = JAVA_BYTE.varHandle();

    private final MemorySegment memory;
    private final KvmRegs regs;
    private final KvmSregs sregs;
    private boolean dirty;

    /// @param memory the mapping of a vCPU, longer than the structure
    public KvmRun(MemorySegment memory) {
        this.memory = memory;
        this.regs =
                new KvmRegs(
                        memory.asSlice(
                                offset(KVM_RUN, "s.regs.regs"), VcpuStructs.KVM_REGS.byteSize()));
        this.sregs =
                new KvmSregs(
                        memory.asSlice(
                                offset(KVM_RUN, "s.regs.sregs"), VcpuStructs.KVM_SREGS.byteSize()));
    }

    /// Makes the next KVM_RUN return EINTR after it has completed the pending exit; with a signal, also the KVM_RUN
    /// in progress. The only method that other threads may call.
    public void requestImmediateExit() {
        BYTE.setVolatile(memory, IMMEDIATE_EXIT, (byte) 1);
    }

    /// Whether [#requestImmediateExit] stands.
    public boolean isImmediateExitRequested() {
        return (byte) BYTE.getVolatile(memory, IMMEDIATE_EXIT) != 0;
    }

    /// Takes the request back. The vCPU's thread must check the reason for the request after this call, not before.
    public void clearImmediateExit() {
        BYTE.setVolatile(memory, IMMEDIATE_EXIT, (byte) 0);
    }

    /// Why the last KVM_RUN returned. Valid only if it returned 0, or EFAULT with MEMORY_FAULT
    /// (KVM_CAP_MEMORY_FAULT_INFO).
    public ExitReason exitReason() {
        return ExitReason.of(exitNumber());
    }

    /// The number of the exit reason, whether [ExitReason] names it or not.
    public int exitNumber() {
        return memory.get(JAVA_INT, EXIT_REASON);
    }

    /// Whether the guest has interrupts enabled.
    public boolean interruptsEnabled() {
        return memory.get(JAVA_BYTE, IF_FLAG) != 0;
    }

    /// CR8 at the exit.
    public long cr8() {
        return memory.get(JAVA_LONG, CR8);
    }

    /// IA32_APIC_BASE at the exit.
    public long apicBase() {
        return memory.get(JAVA_LONG, APIC_BASE);
    }

    /// UNKNOWN and FAIL_ENTRY: the processor's reason.
    public long hardwareReason() {
        return memory.get(JAVA_LONG, HW_REASON);
    }

    /// IO: whether the guest writes.
    public boolean ioOut() {
        return memory.get(JAVA_BYTE, IO_DIRECTION) == IO_OUT;
    }

    /// IO: bytes per access: 1, 2 or 4.
    public int ioSize() {
        return memory.get(JAVA_BYTE, IO_SIZE);
    }

    /// IO: the port, 0 to 0xffff.
    public int ioPort() {
        return Short.toUnsignedInt(memory.get(JAVA_SHORT, IO_PORT));
    }

    /// IO: the number of accesses to this port; more than one for string instructions.
    public int ioCount() {
        return memory.get(JAVA_INT, IO_COUNT);
    }

    /// IO: the value of an access, unsigned.
    ///
    /// @param index 0 to [#ioCount] - 1
    public int ioData(int index) {
        long at = ioAt(index);
        return switch (ioSize()) {
            case 1 -> Byte.toUnsignedInt(memory.get(JAVA_BYTE, at));
            case 2 -> Short.toUnsignedInt(memory.get(JAVA_SHORT, at));
            default -> memory.get(JAVA_INT, at);
        };
    }

    /// IO: sets the result of a read, truncated to its size.
    ///
    /// @param index 0 to [#ioCount] - 1
    public void ioData(int index, int value) {
        long at = ioAt(index);
        switch (ioSize()) {
            case 1 -> memory.set(JAVA_BYTE, at, (byte) value);
            case 2 -> memory.set(JAVA_SHORT, at, (short) value);
            default -> memory.set(JAVA_INT, at, value);
        }
    }

    /// MMIO: the guest physical address.
    public long mmioAddress() {
        return memory.get(JAVA_LONG, MMIO_PHYS_ADDR);
    }

    /// MMIO: bytes, 1 to 8.
    public int mmioLength() {
        return memory.get(JAVA_INT, MMIO_LEN);
    }

    /// MMIO: whether the guest writes.
    public boolean mmioWrite() {
        return memory.get(JAVA_BYTE, MMIO_IS_WRITE) != 0;
    }

    /// MMIO: eight bytes, of which the first [#mmioLength] are the value written.
    public long mmioData() {
        return memory.get(JAVA_LONG, MMIO_DATA);
    }

    /// MMIO: sets the result of a read, in the low bytes.
    public void mmioData(long value) {
        memory.set(JAVA_LONG, MMIO_DATA, value);
    }

    /// INTERNAL_ERROR: `KVM_INTERNAL_ERROR_*`; 1 is a failed emulation.
    public int suberror() {
        return memory.get(JAVA_INT, SUBERROR);
    }

    /// SYSTEM_EVENT: `KVM_SYSTEM_EVENT_*`.
    public int systemEventType() {
        return memory.get(JAVA_INT, SYSTEM_EVENT_TYPE);
    }

    /// IOAPIC_EOI: the vector that was acknowledged.
    public int eoiVector() {
        return Byte.toUnsignedInt(memory.get(JAVA_BYTE, EOI_VECTOR));
    }

    /// X86_RDMSR, X86_WRMSR: the MSR.
    public int msrIndex() {
        return memory.get(JAVA_INT, MSR_INDEX);
    }

    /// X86_WRMSR: the value written.
    public long msrData() {
        return memory.get(JAVA_LONG, MSR_DATA);
    }

    /// X86_RDMSR: sets the result. The next KVM_RUN uses it.
    public void msrData(long value) {
        memory.set(JAVA_LONG, MSR_DATA, value);
    }

    /// X86_RDMSR, X86_WRMSR: the next KVM_RUN raises a general protection fault instead of the access.
    public void refuseMsr() {
        memory.set(JAVA_BYTE, MSR_ERROR, (byte) 1);
    }

    /// XEN: the type; [#XEN_HCALL].
    public int xenType() {
        return memory.get(JAVA_INT, XEN_TYPE);
    }

    /// XEN: whether the hypercall was made in 64-bit mode.
    public boolean xenLongMode() {
        return memory.get(JAVA_INT, XEN_LONGMODE) != 0;
    }

    /// XEN: the privilege level of the caller, 0 to 3.
    public int xenCpl() {
        return memory.get(JAVA_INT, XEN_CPL);
    }

    /// XEN: the hypercall number, RAX.
    public long xenInput() {
        return memory.get(JAVA_LONG, XEN_INPUT);
    }

    /// XEN: an argument, zero-extended if the caller is not in 64-bit mode.
    ///
    /// @param index 0 to 5
    public long xenParam(int index) {
        return memory.get(
                JAVA_LONG, XEN_PARAMS + (long) Objects.checkIndex(index, XEN_PARAM_COUNT) * 8);
    }

    /// XEN: sets the result, for all of RAX. The next KVM_RUN uses it.
    public void xenResult(long value) {
        memory.set(JAVA_LONG, XEN_RESULT, value);
    }

    /// MEMORY_FAULT: the guest-physical address of the page.
    public long faultAddress() {
        return memory.get(JAVA_LONG, FAULT_GPA);
    }

    /// Makes KVM fill in registers at every exit (KVM_CAP_SYNC_REGS).
    ///
    /// @param sets the registers to fill in; the others keep their last values
    public void syncRegs(SyncRegs... sets) {
        memory.set(JAVA_LONG, VALID_REGS, SyncRegs.mask(sets));
    }

    /// Makes the next KVM_RUN load registers from here, before it completes the pending exit.
    ///
    /// @param sets the registers that were changed
    public void markDirty(SyncRegs... sets) {
        memory.set(JAVA_LONG, DIRTY_REGS, memory.get(JAVA_LONG, DIRTY_REGS) | SyncRegs.mask(sets));
        dirty = true;
    }

    /// Whether the next KVM_RUN loads registers, which it may refuse; takes note of it.
    boolean takeDirty() {
        boolean was = dirty;
        if (was) {
            dirty = false;
        }
        return was;
    }

    /// The general registers at the exit, if [SyncRegs#REGS] was requested.
    public KvmRegs regs() {
        return regs;
    }

    /// Segments and control registers at the exit, if [SyncRegs#SREGS] was requested.
    public KvmSregs sregs() {
        return sregs;
    }

    private long ioAt(int index) {
        Objects.checkIndex(index, ioCount());
        return memory.get(JAVA_LONG, IO_DATA_OFFSET) + (long) index * ioSize();
    }
}
