package io.xenemu.kvm.wire;

/// Limits on saved state; what is beyond them is damaged or hostile. Writers keep to them too, so that whatever was written
/// can be read.
public final class WireLimits {
    /// Bytes of one frame's body. The largest is a XenStore with its quota used up.
    public static final int MAX_BODY_BYTES = 64 << 20;

    /// Frames in a stream: some tens for a domain and a few for each of its vCPUs.
    public static final int MAX_FRAMES = 1 << 16;

    static final long MAGIC = 0x5453_554d_454e_4558L; // "XENEMUST"
    static final int FORMAT = 1;
    static final int END = 0;

    private WireLimits() {}
}
