package io.xenemu.evtchn;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// The 2-level ABI: the bitmaps `evtchn_pending` and `evtchn_mask` of a shared_info page, and the announcement of
/// their events to a vCPU (`xen/include/public/xen.h`). A bitmap has 64 x 64 or 32 x 32 ports; a bit of the vCPU's
/// `evtchn_pending_sel` announces one word of it.
///
/// The guest, other vCPUs' hypercalls and the kernel change the same words. The order of the atomic steps is the
/// protocol: pending, mask, selector, upcall.
final class TwoLevel implements EventAbi {
    /// Ports of a 64-bit domain, the most in this ABI.
    static final int MAX_PORTS = 4096;

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();
    private static final long PENDING = 0x800;
    private static final long MASK_64 = 0xa00;
    private static final long MASK_32 = 0x880;

    /// The end of shared_info, which is within one page.
    private static final long END_64 = 0xc40;

    private static final long END_32 = 0x928;

    private final MemorySegment shared;
    private final GuestWidth width;
    private final KernelPorts kernel;
    private final long mask;
    private final int wordBits;

    TwoLevel(MemorySegment shared, GuestWidth width, KernelPorts kernel) {
        boolean wide = width == GuestWidth.BITS_64;
        this.shared = shared.asSlice(0, wide ? END_64 : END_32);
        this.width = width;
        this.kernel = kernel;
        this.mask = wide ? MASK_64 : MASK_32;
        this.wordBits = width.bytes() * Byte.SIZE;
    }

    /// Ports of a domain of this width, the reserved port 0 included (`EVTCHN_2L_NR_CHANNELS`).
    static int limit(GuestWidth width) {
        int bits = width.bytes() * Byte.SIZE;
        return bits * bits;
    }

    @Override
    public int limit() {
        return limit(width);
    }

    GuestWidth width() {
        return width;
    }

    /// The `vcpu_info` in shared_info, for a vCPU below 32 that registered none.
    VcpuInfo legacyVcpuInfo(int vcpu) {
        return new VcpuInfo(shared.asSlice((long) VcpuInfo.SIZE * vcpu, VcpuInfo.SIZE), width);
    }

    /// Lets the kernel raise the event of a masked port, if the kernel delivers. Only the kernel knows which vCPUs
    /// sleep in SCHEDOP_poll on the port. It looks for them only if it sets the pending bit itself.
    @Override
    public boolean setPending(Channel channel, Vcpu vcpu) {
        int port = channel.port.value();
        if (port >= limit() || test(PENDING, port)) {
            return false;
        }
        if (test(mask, port) && kernel.send(channel.port, vcpu.id)) {
            return false;
        }
        if (testAndSet(PENDING, port)) {
            return false;
        }
        if (!test(mask, port)) {
            return select(port, vcpu);
        }
        // The port was masked just now, and a vCPU may poll on it since. Take the event back,
        // unless the guest has already seen it, and let the kernel raise it.
        if (testAndClear(PENDING, port) && !kernel.send(channel.port, vcpu.id)) {
            return !testAndSet(PENDING, port) && !test(mask, port) && select(port, vcpu);
        }
        return false;
    }

    @Override
    public boolean unmask(Channel channel, Vcpu vcpu) {
        int port = channel.port.value();
        return port < limit()
                && testAndClear(mask, port)
                && test(PENDING, port)
                && select(port, vcpu);
    }

    @Override
    public boolean announce(Channel channel, Vcpu vcpu) {
        int port = channel.port.value();
        return port < limit() && test(PENDING, port) && !test(mask, port) && select(port, vcpu);
    }

    @Override
    public boolean announceAgain(Vcpu vcpu) {
        VcpuInfo info = vcpu.info;
        return info != null && info.isUpcallPending();
    }

    @Override
    public boolean isPending(Channel channel) {
        int port = channel.port.value();
        return port < limit() && test(PENDING, port);
    }

    @Override
    public void clearPending(Channel channel) {
        takePending(channel.port.value());
    }

    /// Clears the pending bit.
    ///
    /// @return whether it was set
    boolean takePending(int port) {
        return port < limit() && testAndClear(PENDING, port);
    }

    @Override
    public boolean isBusy(int port) {
        return false;
    }

    @Override
    public boolean hasPriorities() {
        return false;
    }

    @Override
    public void setPriority(Channel channel, int priority) throws XenError {
        throw XenError.ENOSYS;
    }

    private boolean select(int port, Vcpu vcpu) {
        // Read after the pending bit is set: a thread that moves vcpu_info scans the pending bits
        // afterwards.
        VcpuInfo info = vcpu.info;
        return info != null && info.select(port / wordBits);
    }

    private boolean test(long bitmap, int port) {
        return ((int) WORD.getVolatile(shared, offset(bitmap, port)) & bit(port)) != 0;
    }

    private boolean testAndSet(long bitmap, int port) {
        return ((int) WORD.getAndBitwiseOr(shared, offset(bitmap, port), bit(port)) & bit(port))
                != 0;
    }

    private boolean testAndClear(long bitmap, int port) {
        return ((int) WORD.getAndBitwiseAnd(shared, offset(bitmap, port), ~bit(port)) & bit(port))
                != 0;
    }

    private static long offset(long bitmap, int port) {
        return bitmap + (long) Integer.BYTES * (port / Integer.SIZE);
    }

    private static int bit(int port) {
        return 1 << (port % Integer.SIZE);
    }
}
