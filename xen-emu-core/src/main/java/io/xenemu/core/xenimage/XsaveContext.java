package io.xenemu.core.xenimage;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// The extended registers of a vCPU: `struct hvm_hw_cpu_xsave`, or the area of FXSAVE of one that has not used XSETBV.
///
/// @param xcr0 which parts of the area are on
/// @param area in the form of XSAVE, not compacted, and at least as long as KVM's
@SuppressWarnings("ArrayRecordComponent") // never compared
record XsaveContext(long xcr0, byte[] area) {
    /// `kvm_xsave` without the room for later registers.
    private static final int KVM_BYTES = 4096;

    private static final int HEADER = CpuContext.FPU_BYTES;
    private static final int HEADER_BYTES = 64;
    private static final int COMPACTED = HEADER + Long.BYTES;

    /// Several times as much as the largest processors have.
    private static final int MAX_BYTES = 1 << 16;

    private static final long X87_AND_SSE = 3;
    private static final int CONTROL_WORD = 0x37f;
    private static final int MXCSR = 24;
    private static final int MXCSR_RESET = 0x1f80;

    /// `kvm_xcrs` has room for as many.
    private static final int XCRS = 16;

    /// Reads the record.
    ///
    /// @throws WireException if the area is compacted, or too short or too long
    static XsaveContext of(BodyReader in) throws WireException {
        // What Xen supported, and what the guest has ever had on.
        long _ = in.u64();
        long xcr0 = in.u64();
        long _ = in.u64();
        int length = in.remaining();
        if (length < HEADER + HEADER_BYTES || length > MAX_BYTES) {
            throw new WireException("extended registers of %d bytes".formatted(length));
        }
        byte[] area = new byte[Math.max(length, KVM_BYTES)];
        System.arraycopy(CpuContext.bytes(in, length), 0, area, 0, length);
        in.end();
        if (littleEndian(area).getLong(COMPACTED) != 0) {
            throw new WireException("the extended registers are compacted");
        }
        return new XsaveContext(xcr0, area);
    }

    /// The state of a vCPU that has only the registers of FXSAVE.
    ///
    /// @param fpu its area; null if it has never used them
    static XsaveContext ofFpu(byte @Nullable [] fpu) {
        byte[] area = new byte[KVM_BYTES];
        ByteBuffer words = littleEndian(area);
        if (fpu == null) {
            words.putShort(0, (short) CONTROL_WORD);
            words.putInt(MXCSR, MXCSR_RESET);
        } else {
            words.put(fpu);
        }
        words.putLong(HEADER, X87_AND_SSE);
        return new XsaveContext(1, area);
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /// As `kvm_xcrs`.
    byte[] xcrs() {
        BodyWriter to = new BodyWriter().u32(1).u32(0).u32(0).u32(0).u64(xcr0);
        for (int i = 1; i < XCRS; i++) {
            to.u32(0).u32(0).u64(0);
        }
        for (int i = 0; i < XCRS; i++) {
            to.u64(0);
        }
        return to.toBytes();
    }
}
