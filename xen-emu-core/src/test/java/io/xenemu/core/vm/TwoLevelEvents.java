package io.xenemu.core.vm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.time.Instant;

/// Raises events in a guest's shared_info, as KVM does: `struct shared_info` of Xen's xen.h, in the layout of one
/// width.
///
/// @param wide whether the layout is that of 64-bit guests
/// @param sharedInfo the page
record TwoLevelEvents(boolean wide, MemorySegment sharedInfo) {
    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
    private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();

    private static final long EVTCHN_PENDING = 0x800;
    private static final long EVTCHN_MASK_64 = 0xa00;
    private static final long EVTCHN_MASK_32 = 0x880;
    private static final long WC_VERSION_64 = 0xc00;
    private static final long WC_VERSION_32 = 0x900;
    private static final long WC_SEC_HI_64 = 0xc0c;
    private static final long WC_SEC_HI_32 = 0x924;

    /// The offset in `struct vcpu_info`.
    private static final long EVTCHN_UPCALL_PENDING = 0;

    private static final long EVTCHN_PENDING_SEL_64 = 8;
    private static final long EVTCHN_PENDING_SEL_32 = 4;

    /// Writes the wall clock: `wc_version`, `wc_sec`, `wc_nsec`, `wc_sec_hi`.
    ///
    /// @param atZero the time at which the VM's clock was 0
    void writeWallClock(Instant atZero) {
        long at = wide ? WC_VERSION_64 : WC_VERSION_32;
        int odd = (int) INT.getVolatile(sharedInfo, at) | 1;
        INT.setVolatile(sharedInfo, at, odd);
        INT.setVolatile(sharedInfo, at + 4, (int) atZero.getEpochSecond());
        INT.setVolatile(sharedInfo, at + 8, atZero.getNano());
        INT.setVolatile(
                sharedInfo,
                wide ? WC_SEC_HI_64 : WC_SEC_HI_32,
                (int) (atZero.getEpochSecond() >>> Integer.SIZE));
        INT.setVolatile(sharedInfo, at, odd + 1);
    }

    /// Makes a port pending.
    ///
    /// @param vcpuInfo the vcpu_info of the vCPU to notify
    /// @return whether the vCPU has to be notified
    boolean raise(int port, MemorySegment vcpuInfo) {
        int word = port / bits();
        if (setBit(sharedInfo, EVTCHN_PENDING + word * bytes(), port % bits())
                || isMasked(word, port)
                || setBit(vcpuInfo, wide ? EVTCHN_PENDING_SEL_64 : EVTCHN_PENDING_SEL_32, word)) {
            return false;
        }
        vcpuInfo.set(ValueLayout.JAVA_BYTE, EVTCHN_UPCALL_PENDING, (byte) 1);
        return true;
    }

    private boolean isMasked(int word, int port) {
        long at = (wide ? EVTCHN_MASK_64 : EVTCHN_MASK_32) + word * bytes();
        long mask =
                wide
                        ? (long) LONG.getVolatile(sharedInfo, at)
                        : (int) INT.getVolatile(sharedInfo, at);
        return (mask >>> port % bits() & 1) != 0;
    }

    /// Sets a bit of a word.
    ///
    /// @return whether it was set
    private boolean setBit(MemorySegment memory, long at, int bit) {
        long before =
                wide
                        ? (long) LONG.getAndBitwiseOr(memory, at, 1L << bit)
                        : (int) INT.getAndBitwiseOr(memory, at, 1 << bit);
        return (before >>> bit & 1) != 0;
    }

    private int bits() {
        return wide ? Long.SIZE : Integer.SIZE;
    }

    private long bytes() {
        return wide ? Long.BYTES : Integer.BYTES;
    }
}
