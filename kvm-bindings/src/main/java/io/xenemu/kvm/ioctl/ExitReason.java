package io.xenemu.kvm.ioctl;

import java.util.Arrays;

/// Why KVM_RUN returned (`KVM_EXIT_*` in `linux/kvm.h`): the reasons that x86 kernels produce.
public enum ExitReason {
    UNKNOWN(0),
    EXCEPTION(1),
    IO(2),
    HYPERCALL(3),
    DEBUG(4),
    HLT(5),
    MMIO(6),
    IRQ_WINDOW_OPEN(7),
    SHUTDOWN(8),
    FAIL_ENTRY(9),
    INTR(10),
    SET_TPR(11),
    TPR_ACCESS(12),
    NMI(16),
    INTERNAL_ERROR(17),
    SYSTEM_EVENT(24),
    IOAPIC_EOI(26),
    HYPERV(27),
    X86_RDMSR(29),
    X86_WRMSR(30),
    DIRTY_RING_FULL(31),
    AP_RESET_HOLD(32),
    X86_BUS_LOCK(33),
    XEN(34),
    NOTIFY(37),
    /// The guest accessed a page that the host cannot provide in that way: KVM_RUN fails with EFAULT.
    MEMORY_FAULT(39),
    /// A number that is not in this list; [KvmRun#exitNumber] has it.
    OTHER(-1);

    private static final ExitReason[] BY_NUMBER = byNumber();

    private final int number;

    ExitReason(int number) {
        this.number = number;
    }

    /// The value of `KVM_EXIT_` and this name; -1 for [#OTHER].
    public int number() {
        return number;
    }

    /// The reason with this number. Does not allocate.
    static ExitReason of(int number) {
        return number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : OTHER;
    }

    private static ExitReason[] byNumber() {
        ExitReason[] table = new ExitReason[MEMORY_FAULT.number + 1];
        Arrays.fill(table, OTHER);
        for (ExitReason reason : values()) {
            if (reason != OTHER) {
                table[reason.number] = reason;
            }
        }
        return table;
    }
}
