package io.xenemu.evtchn;

import io.xenemu.kvm.abi.GuestWidth;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// The event fields of a `struct vcpu_info` in guest memory: the bytes `evtchn_upcall_pending` at 0 and
/// `evtchn_upcall_mask` at 1, and the guest word `evtchn_pending_sel` at offset 8 (64-bit) or 4 (32-bit).
///
/// The kernel and the guest change the same words. Every access is one atomic operation on 32 aligned bits, which
/// serves both widths and needs only the 4-byte alignment that KVM also requires.
final class VcpuInfo {
    /// Size of the structure in both widths.
    static final int SIZE = 64;

    /// Alignment that the atomic accesses and KVM require.
    static final int ALIGNMENT = 4;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final int UPCALL_PENDING_BYTE = 0xff;
    private static final int UPCALL_MASK_BYTE = 0xff00;
    private static final int SET = 1;

    private final MemorySegment memory;
    private final int selector;
    private final int selectorWords;

    VcpuInfo(MemorySegment memory, GuestWidth width) {
        this.memory = memory.asSlice(0, SIZE);
        this.selector = width == GuestWidth.BITS_64 ? 8 : 4;
        this.selectorWords = width.bytes() / Integer.BYTES;
    }

    /// The same place, in the layout of this width.
    VcpuInfo as(GuestWidth width) {
        return new VcpuInfo(memory, width);
    }

    boolean isUpcallPending() {
        return ((int) WORD.getVolatile(memory, 0L) & UPCALL_PENDING_BYTE) != 0;
    }

    /// Clears `evtchn_upcall_mask`.
    void unmaskUpcalls() {
        int _ = (int) WORD.getAndBitwiseAnd(memory, 0L, ~UPCALL_MASK_BYTE);
    }

    /// Marks a word of the pending bitmap as having events.
    ///
    /// @return whether `evtchn_upcall_pending` changed from 0 to 1, so that an upcall is needed
    boolean select(int word) {
        int bit = 1 << (word % Integer.SIZE);
        long offset = selector + (long) Integer.BYTES * (word / Integer.SIZE);
        int old = (int) WORD.getAndBitwiseOr(memory, offset, bit);
        return (old & bit) == 0 && setUpcallPending();
    }

    /// Sets `evtchn_upcall_pending`.
    ///
    /// @return whether `evtchn_upcall_pending` changed from 0 to 1, so that an upcall is needed
    boolean setUpcallPending() {
        int old = (int) WORD.getAndBitwiseOr(memory, 0L, SET);
        return (old & UPCALL_PENDING_BYTE) == 0;
    }

    /// Makes this place what Xen makes the first one of a vCPU without a place in shared_info: zeros, with upcalls
    /// masked.
    void clear() {
        memory.fill((byte) 0);
        WORD.setVolatile(memory, 0L, SET << Byte.SIZE);
    }

    /// Copies the selector, `evtchn_upcall_pending` and `evtchn_upcall_mask` of `old` to this place. Overwrites this
    /// memory, which the guest left in any state; events that the kernel announced here already are announced again
    /// by the caller.
    void takeOver(VcpuInfo old) {
        for (int i = 0; i < selectorWords; i++) {
            long offset = selector + (long) Integer.BYTES * i;
            WORD.setVolatile(memory, offset, (int) WORD.getVolatile(old.memory, offset));
        }
        int upcall = UPCALL_PENDING_BYTE | UPCALL_MASK_BYTE;
        WORD.setVolatile(memory, 0L, (int) WORD.getVolatile(old.memory, 0L) & upcall);
    }
}
