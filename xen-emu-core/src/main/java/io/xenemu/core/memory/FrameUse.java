package io.xenemu.core.memory;

/// The kinds of pages that a guest can find at a guest frame (`hvmmem_type_t` of `xen/include/public/hvm/hvm_op.h`).
public enum FrameUse {
    /// A page that it may read and write.
    RAM(0),
    /// A page that it may only read.
    READ_ONLY_RAM(1),
    /// A device's registers, or nothing.
    NO_RAM(2);

    private final int code;

    FrameUse(int code) {
        this.code = code;
    }

    /// The number in Xen's interface.
    public int code() {
        return code;
    }
}
