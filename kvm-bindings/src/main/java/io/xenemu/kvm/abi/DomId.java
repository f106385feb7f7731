package io.xenemu.kvm.abi;

import java.util.Arrays;

/// A domain id (`domid_t`, 16 bits).
///
/// @param value 0 to 0xffff
public record DomId(int value) {
    /// The first id that no domain can have (`DOMID_FIRST_RESERVED`).
    public static final int FIRST_RESERVED = 0x7ff0;

    /// The control domain, which is this service.
    public static final DomId DOM0 = new DomId(0);

    /// The calling domain itself (`DOMID_SELF`).
    public static final DomId SELF = new DomId(0x7ff0);

    public DomId {
        if (value < 0 || value > 0xffff) {
            throw new IllegalArgumentException("domain id out of range: " + value);
        }
    }

    /// The number of cached ids: more domains than most services have at a time.
    private static final int CACHED = 256;

    private static final DomId[] LOW = new DomId[CACHED];

    static {
        Arrays.setAll(LOW, DomId::new);
    }

    /// The id that a guest named. Allocates nothing for `DOMID_SELF` and low ids, which guests name most.
    ///
    /// @param value 0 to 0xffff
    public static DomId of(int value) {
        if (value == SELF.value) {
            return SELF;
        }
        return value >= 0 && value < CACHED ? LOW[value] : new DomId(value);
    }

    @Override
    public String toString() {
        return "dom" + value;
    }
}
