package io.xenemu.core.xenimage;

import io.xenemu.kvm.ioctl.MsrEntry;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/// The local APIC of a vCPU as Xen saves it: `struct hvm_hw_lapic` and its page of registers.
final class LapicContext {
    private static final int PAGE_BYTES = 1024;

    private static final int APIC_ID = 0x20;
    private static final int TASK_PRIORITY = 0x80;
    private static final int LOGICAL_ID = 0xd0;

    /// In the mode of xAPIC, ids are in the upper byte.
    private static final int XAPIC_SHIFT = 24;

    private static final long BASE_X2APIC = 1 << 10;
    private static final long BASE_ENABLED = 1 << 11;

    private static final int MSR_TSC_DEADLINE = 0x6e0;

    private final long apicBase;
    private final long deadline;
    private final ByteBuffer page;

    /// Reads both records.
    ///
    /// @throws WireException if they cannot be used
    LapicContext(BodyReader hidden, BodyReader registers) throws WireException {
        apicBase = hidden.u64();
        // Whether it is disabled, and the divisor of its timer: both are in the registers too.
        long _ = hidden.u64();
        deadline = hidden.remaining() == 0 ? 0 : hidden.u64();
        // Newer versions have an error that waits for the guest to ask.
        hidden.skipAll();
        if (registers.remaining() != PAGE_BYTES) {
            throw new WireException("a local APIC of %d bytes".formatted(registers.remaining()));
        }
        page =
                ByteBuffer.wrap(CpuContext.bytes(registers, PAGE_BYTES))
                        .order(ByteOrder.LITTLE_ENDIAN);
        if (isX2apic() && (apicBase & BASE_ENABLED) == 0) {
            throw new WireException("a local APIC is in no mode that there is");
        }
    }

    private boolean isX2apic() {
        return (apicBase & BASE_X2APIC) != 0;
    }

    /// Its id.
    ///
    /// @throws WireException if its logical id, which KVM computes from the id, is another one
    int id() throws WireException {
        int id = page.getInt(APIC_ID);
        if (!isX2apic()) {
            return id >>> XAPIC_SHIFT;
        }
        int logical = id >>> 4 << 16 | 1 << (id & 0xf);
        if (page.getInt(LOGICAL_ID) != logical) {
            throw new WireException(
                    "the local APIC of id %#x has the logical id %#x, as some releases of Xen up to"
                                    .formatted(id, page.getInt(LOGICAL_ID))
                            + " 4.18 had it: KVM cannot give it that one");
        }
        return id;
    }

    /// IA32_APIC_BASE.
    long apicBase() {
        return apicBase;
    }

    /// CR8.
    long taskPriority() {
        return Integer.toUnsignedLong(page.getInt(TASK_PRIORITY) >>> 4 & 0xf);
    }

    /// As `kvm_lapic_state`, in the form in which ids are in the upper byte in both modes.
    byte[] page() {
        byte[] bytes = page.array().clone();
        if (isX2apic()) {
            ByteBuffer.wrap(bytes)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(APIC_ID, page.getInt(APIC_ID) << XAPIC_SHIFT);
        }
        return bytes;
    }

    /// Its model-specific registers.
    List<MsrEntry> msrs() {
        return deadline == 0 ? List.of() : List.of(new MsrEntry(MSR_TSC_DEADLINE, deadline));
    }
}
