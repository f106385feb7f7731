package io.xenemu.gnttab;

/// The outcome of one grant operation (`enum grant_status`, `GNTST_*` of Xen's public `grant_table.h`).
public enum GrantStatus {
    OKAY(0),
    /// Any failure without a code of its own: wrong domain, wrong type, too many mappings, an unstable entry.
    GENERAL_ERROR(-1),
    BAD_DOMAIN(-2),
    BAD_GNTREF(-3),
    BAD_HANDLE(-4),
    BAD_VIRT_ADDR(-5),
    BAD_DEV_ADDR(-6),
    NO_DEVICE_SPACE(-7),
    PERMISSION_DENIED(-8),
    BAD_PAGE(-9),
    BAD_COPY_ARG(-10),
    ADDRESS_TOO_BIG(-11),
    EAGAIN(-12),
    NO_SPACE(-13);

    private final short code;

    GrantStatus(int code) {
        this.code = (short) code;
    }

    /// The number in the status field that the guest reads.
    public short code() {
        return code;
    }
}
