package io.xenemu.core.toolstack;

import com.google.common.primitives.Ints;

/// The state of one end of a device (`xen/include/public/io/xenbus.h`), without the states of reconfiguration.
public enum XenbusState {
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

    /// Parses XenStore's form; [#UNKNOWN] for anything else that a guest has written.
    static XenbusState parse(String value) {
        Integer code = Ints.tryParse(value);
        for (XenbusState state : values()) {
            if (code != null && code == state.code) {
                return state;
            }
        }
        return UNKNOWN;
    }

    /// XenStore's form.
    String code() {
        return Integer.toString(code);
    }

    /// Whether a back end has taken the device and not closed it.
    boolean isUp() {
        return this == INIT_WAIT || this == INITIALISED || this == CONNECTED;
    }
}
