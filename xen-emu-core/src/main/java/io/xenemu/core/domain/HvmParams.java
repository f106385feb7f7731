package io.xenemu.core.domain;

import io.xenemu.kvm.abi.XenError;
import java.util.List;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/// A domain's HVM parameters (`xen/include/public/hvm/params.h`), with the guest's rights to read and write its own,
/// as in Xen's `hvm_allow_get_param` and `hvm_allow_set_param`.
public final class HvmParams {
    public static final int CALLBACK_IRQ = 0;
    public static final int STORE_PFN = 1;
    public static final int STORE_EVTCHN = 2;
    public static final int VM86_TSS = 15;
    public static final int CONSOLE_PFN = 17;
    public static final int CONSOLE_EVTCHN = 18;
    public static final int ACPI_IOPORTS_LOCATION = 19;
    public static final int VM_GENERATION_ID_ADDR = 34;
    public static final int ALTP2M = 35;
    public static final int X87_FIP_WIDTH = 36;
    public static final int VM86_TSS_SIZED = 37;

    /// `HVM_NR_PARAMS`.
    public static final int COUNT = 39;

    private static final long GUEST_READS =
            mask(
                    CALLBACK_IRQ,
                    STORE_PFN,
                    STORE_EVTCHN,
                    VM86_TSS,
                    CONSOLE_PFN,
                    CONSOLE_EVTCHN,
                    ACPI_IOPORTS_LOCATION,
                    VM_GENERATION_ID_ADDR,
                    ALTP2M,
                    X87_FIP_WIDTH,
                    VM86_TSS_SIZED);
    private static final long GUEST_WRITES =
            mask(
                    CALLBACK_IRQ,
                    STORE_EVTCHN,
                    VM86_TSS,
                    CONSOLE_EVTCHN,
                    ACPI_IOPORTS_LOCATION,
                    VM_GENERATION_ID_ADDR,
                    X87_FIP_WIDTH,
                    VM86_TSS_SIZED);

    /// PAE_ENABLED (4), DM_DOMAIN (13), the memory event parameters (20 to 23, 25, 30), NESTEDHVM (24) and
    /// BUFIOREQ_EVTCHN (26), which Xen no longer has.
    private static final long DEPRECATED = mask(4, 13, 20, 21, 22, 23, 24, 25, 26, 30);

    /// The size of a task state segment set with VM86_TSS, which has no size of its own. Old firmware reserves this
    /// much.
    private static final long VM86_TSS_SIZE = 128;

    /// `sizeof(struct tss32)`: the least size of a task state segment.
    private static final long MIN_TSS_SIZE = 104;

    /// The structure, 256 bits for interrupts, 65536 bits for I/O ports, and one byte after them.
    private static final long MAX_TSS_SIZE = MIN_TSS_SIZE + 256 / 8 + 65_536 / 8 + 1;

    /// Xen's default for a processor that does not keep the code and data selectors of the FPU. No newer processor
    /// keeps them.
    private static final long FULL_FIP_WIDTH = 8;

    private static final long LOW_HALF = 0xffff_ffffL;

    private final AtomicLongArray values = new AtomicLongArray(COUNT);
    private final Consumer<String> crash;

    /// Their saved state.
    ///
    /// @param values [#COUNT] values by index
    record State(List<Long> values) {
        State {
            values = List.copyOf(values);
        }
    }

    /// @param crash crashes the domain; receives the reason
    public HvmParams(Consumer<String> crash) {
        this.crash = crash;
        values.set(X87_FIP_WIDTH, FULL_FIP_WIDTH);
    }

    /// Their state.
    State save() {
        return new State(IntStream.range(0, COUNT).mapToObj(values::get).toList());
    }

    /// Takes over a saved domain's parameters. Their effects are restored in [DomainRestore].
    void restore(State state) {
        for (int i = 0; i < COUNT; i++) {
            values.set(i, state.values().get(i));
        }
    }

    /// A parameter as the toolstack sees it.
    ///
    /// @param index 0 to [#COUNT] - 1
    public long get(int index) {
        return values.get(index);
    }

    /// Sets a parameter as the toolstack may.
    public void set(int index, long value) {
        values.set(index, value);
    }

    /// The guest's HVMOP_get_param on itself.
    ///
    /// @throws XenError EINVAL for an unknown or deprecated index, EPERM for one that guests may not read
    public long guestGet(int index) throws XenError {
        check(index, GUEST_READS);
        // VM86_TSS is a view of VM86_TSS_SIZED that shows only the address.
        return index == VM86_TSS ? values.get(VM86_TSS_SIZED) & LOW_HALF : values.get(index);
    }

    /// The guest's HVMOP_set_param on itself; the caller then applies the parameter.
    ///
    /// @throws XenError EINVAL an unknown or deprecated index or a wrong value, also if the domain has been crashed
    ///     for it; EPERM a parameter that guests may not write; EEXIST the read-only ALTP2M; ENODEV the place of the
    ///     ACPI registers, since there is no PM timer
    public void guestSet(int index, long value) throws XenError {
        if (index == ALTP2M) {
            throw XenError.EEXIST;
        }
        check(index, GUEST_WRITES);
        switch (index) {
            case ACPI_IOPORTS_LOCATION -> throw XenError.ENODEV;
            case X87_FIP_WIDTH -> setX87FipWidth(value);
            case VM86_TSS -> setVm86Tss(value);
            case VM86_TSS_SIZED -> setVm86TssSized(value);
            default -> values.set(index, value);
        }
    }

    private void setX87FipWidth(long value) throws XenError {
        if (value != 0 && value != 4 && value != 8) {
            throw XenError.EINVAL;
        }
        values.set(X87_FIP_WIDTH, value);
    }

    private void setVm86Tss(long value) throws XenError {
        if ((value & LOW_HALF) != value) {
            crash.accept("HVM_PARAM_VM86_TSS of %#x does not fit in 32 bits".formatted(value));
            throw XenError.EINVAL;
        }
        values.set(VM86_TSS_SIZED, value == 0 ? 0 : value | (VM86_TSS_SIZE << Integer.SIZE));
    }

    private void setVm86TssSized(long value) throws XenError {
        long size = value >>> Integer.SIZE;
        if (size < MIN_TSS_SIZE) {
            crash.accept("HVM_PARAM_VM86_TSS_SIZED says %d bytes".formatted(size));
            throw XenError.EINVAL;
        }
        long kept = Math.min(size, MAX_TSS_SIZE);
        values.set(VM86_TSS_SIZED, (value & LOW_HALF) | (kept << Integer.SIZE));
    }

    private static void check(int index, long allowed) throws XenError {
        if (index < 0 || index >= COUNT || (DEPRECATED >>> index & 1) != 0) {
            throw XenError.EINVAL;
        }
        if ((allowed >>> index & 1) == 0) {
            throw XenError.EPERM;
        }
    }

    private static long mask(int... indices) {
        long mask = 0;
        for (int index : indices) {
            mask |= 1L << index;
        }
        return mask;
    }
}
