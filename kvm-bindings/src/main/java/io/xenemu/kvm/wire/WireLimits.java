package io.xenemu.kvm.wire;

/// Limits of saved state; anything beyond them is damaged or hostile. Writers keep to them too, so that everything
/// written can be read.
public final class WireLimits {
    /// Bytes of one frame's body. The largest is a XenStore that has used up its quota.
    public static final int MAX_BODY_BYTES = 64 << 20;

    /// Frames in a stream: some tens for a domain and a few for each of its vCPUs.
    public static final int MAX_FRAMES = 1 << 16;

    static final long MAGIC = 0x5453_554d_454e_4558L; // "XENEMUST"
    static final int FORMAT = 1;
    static final int END = 0;

    private WireLimits() {}
}
