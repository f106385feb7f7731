package io.xenemu.it.program.xenstore;

import java.nio.charset.StandardCharsets;

/// One message on the socket, by Xen's `public/io/xs_wire.h`; written anew here, so that the tests do not share a
/// mistake with what they test.
///
/// @param type one of the constants
/// @param payload as Latin-1 text
record WireMessage(int type, int requestId, int transactionId, String payload) {
    static final int CONTROL = 0;
    static final int DIRECTORY = 1;
    static final int READ = 2;
    static final int GET_PERMS = 3;
    static final int WATCH = 4;
    static final int UNWATCH = 5;
    static final int TRANSACTION_START = 6;
    static final int TRANSACTION_END = 7;
    static final int INTRODUCE = 8;
    static final int RELEASE = 9;
    static final int GET_DOMAIN_PATH = 10;
    static final int WRITE = 11;
    static final int MKDIR = 12;
    static final int RM = 13;
    static final int SET_PERMS = 14;
    static final int WATCH_EVENT = 15;
    static final int ERROR = 16;
    static final int IS_DOMAIN_INTRODUCED = 17;
    static final int RESUME = 18;
    static final int SET_TARGET = 19;
    static final int RESET_WATCHES = 21;
    static final int DIRECTORY_PART = 22;

    /// `sizeof(struct xsd_sockmsg)`.
    static final int HEADER_SIZE = 16;

    /// `XENSTORE_PAYLOAD_MAX`.
    static final int PAYLOAD_MAX = 4096;

    private static final int SHOWN = 72;

    byte[] payloadBytes() {
        return payload.getBytes(StandardCharsets.ISO_8859_1);
    }

    /// One line for people: an error's name, or the payload with its NULs visible.
    String shown() {
        String text = payload.replace("\0", "\\0");
        String cut = text.length() <= SHOWN ? text : "<" + payload.length() + " bytes>";
        return switch (type) {
            case ERROR -> "error " + cut;
            case WATCH_EVENT -> "event " + cut;
            default -> cut;
        };
    }
}
