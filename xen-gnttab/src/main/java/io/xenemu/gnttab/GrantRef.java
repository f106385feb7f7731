package io.xenemu.gnttab;

/// An index into a domain's grant table (`grant_ref_t`, 32 bits). Any value that a guest can write is representable;
/// the table decides whether there is such an entry.
///
/// @param value the 32 bits, to be read as unsigned
public record GrantRef(int value) {
    /// The number of references, from 0, that are reserved for the toolstack (`GNTTAB_NR_RESERVED_ENTRIES`).
    public static final int RESERVED = 8;

    /// The console page, granted to domain 0 by the toolstack (`GNTTAB_RESERVED_CONSOLE`).
    public static final GrantRef CONSOLE = new GrantRef(0);

    /// The XenStore page, granted to domain 0 by the toolstack (`GNTTAB_RESERVED_XENSTORE`).
    public static final GrantRef XENSTORE = new GrantRef(1);

    @Override
    public String toString() {
        return "gref" + Integer.toUnsignedString(value);
    }
}
