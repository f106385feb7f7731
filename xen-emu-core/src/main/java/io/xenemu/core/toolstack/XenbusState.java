package io.xenemu.core.toolstack;

import com.google.common.primitives.Ints;

/// The state of one end of a device (`xen/include/public/io/xenbus.h`).
public enum XenbusState {
    UNKNOWN(0),
    INITIALISING(1),
    INIT_WAIT(2),
    INITIALISED(3),
    CONNECTED(4),
    CLOSING(5),
    CLOSED(6),
    RECONFIGURING(7),
    RECONFIGURED(8),
    /// Anything else that a guest has written.
    INVALID(-1);

    private final int code;

    XenbusState(int code) {
        this.code = code;
    }

    /// Parses XenStore's form.
    public static XenbusState parse(String value) {
        Integer code = Ints.tryParse(value);
        for (XenbusState state : values()) {
            if (code != null && code == state.code && state != INVALID) {
                return state;
            }
        }
        return INVALID;
    }

    /// The number in the header; -1 for [#INVALID].
    public int number() {
        return code;
    }

    /// XenStore's form.
    public String code() {
        return Integer.toString(code);
    }

    /// Whether a back end has taken the device and not closed it.
    boolean isUp() {
        return switch (this) {
            case INIT_WAIT, INITIALISED, CONNECTED, RECONFIGURING, RECONFIGURED -> true;
            case UNKNOWN, INITIALISING, CLOSING, CLOSED, INVALID -> false;
        };
    }
}
