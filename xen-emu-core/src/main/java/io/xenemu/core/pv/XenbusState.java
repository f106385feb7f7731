package io.xenemu.core.pv;

import com.google.common.primitives.Ints;

/// The state of one end of a device (`xen/include/public/io/xenbus.h`), without those of reconfiguration.
enum XenbusState {
    UNKNOWN(0),
    INITIALISING(1),
    INIT_WAIT(2),
    INITIALISED(3),
    CONNECTED(4),
    CLOSING(5),
    CLOSED(6);

    private final int code;

    XenbusState(int code) {
        this.code = code;
    }

    /// As XenStore has it; [#UNKNOWN] for whatever else a guest has written.
    static XenbusState parse(String value) {
        Integer code = Ints.tryParse(value);
        for (XenbusState state : values()) {
            if (code != null && code == state.code) {
                return state;
            }
        }
        return UNKNOWN;
    }

    /// For XenStore.
    String code() {
        return Integer.toString(code);
    }

    /// Whether a back end has taken the device, and not let go of it.
    boolean isUp() {
        return this == INIT_WAIT || this == INITIALISED || this == CONNECTED;
    }
}
