package io.xenemu.core.domain;

import io.xenemu.kvm.abi.XenError;
import java.util.concurrent.atomic.AtomicLongArray;

/// A domain's HVM parameters (`xen/include/public/hvm/params.h`) with what a guest may read and write of its own, as Xen
/// has it in `hvm_allow_get_param` and `hvm_allow_set_param`.
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

    /// The memory event parameters (20 to 23, 25, 30), NESTEDHVM (24) and BUFIOREQ_EVTCHN (26), which Xen no longer has.
    private static final long DEPRECATED = mask(20, 21, 22, 23, 24, 25, 26, 30);

    private final AtomicLongArray values = new AtomicLongArray(COUNT);

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
        return values.get(index);
    }

    /// The guest's HVMOP_set_param on itself; the caller carries out what the parameter does.
    ///
    /// @throws XenError EINVAL for an unknown or deprecated index or a wrong value, EPERM for one that guests may not write,
    /// EEXIST for the read-only ALTP2M
    public void guestSet(int index, long value) throws XenError {
        if (index == ALTP2M) {
            throw XenError.EEXIST;
        }
        check(index, GUEST_WRITES);
        boolean valid =
                switch (index) {
                    case ACPI_IOPORTS_LOCATION -> value == 0 || value == 1;
                    case X87_FIP_WIDTH -> value == 0 || value == 4 || value == 8;
                    default -> true;
                };
        if (!valid) {
            throw XenError.EINVAL;
        }
        values.set(index, value);
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
