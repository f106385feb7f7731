package io.xenemu.gnttab;

import java.util.Locale;

/// The operations that are counted.
enum GrantOp {
    MAP,
    UNMAP,
    QUERY_SIZE,
    SET_VERSION,
    GET_VERSION,
    FRAME;

    String tag() {
        return name().toLowerCase(Locale.ROOT);
    }
}
