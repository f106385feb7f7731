package io.xenemu.gnttab;

import java.util.Locale;

/// The operations that are counted: those of back ends with the domain that grants, those of guests with the domain
/// that calls.
enum GrantOp {
    MAP,
    UNMAP,
    BACKEND_MAP,
    BACKEND_UNMAP,
    COPY,
    SETUP_TABLE,
    QUERY_SIZE,
    SET_VERSION,
    GET_VERSION,
    SWAP,
    FRAME;

    String tag() {
        return name().toLowerCase(Locale.ROOT);
    }
}
