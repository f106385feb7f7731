package io.xenemu.xenstore.wire;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/// `struct xsd_sockmsg`: four little-endian 32-bit words before every payload, in both directions.
public final class MessageHeader {
    /// Bytes of the header.
    public static final int SIZE = 16;

    /// Largest payload in bytes (`XENSTORE_PAYLOAD_MAX`). A client that announces more loses its connection.
    public static final int PAYLOAD_MAX = 4096;

    private static final VarHandle INT =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private MessageHeader() {}

    /// The type word of the header at `at`.
    public static int type(byte[] message, int at) {
        return (int) INT.get(message, at);
    }

    /// The request id, echoed in the reply.
    public static int requestId(byte[] message, int at) {
        return (int) INT.get(message, at + 4);
    }

    /// The transaction id, 0 for none.
    public static int transactionId(byte[] message, int at) {
        return (int) INT.get(message, at + 8);
    }

    /// The payload's length as sent: unsigned, unchecked; see [#isTooLong].
    public static int length(byte[] message, int at) {
        return (int) INT.get(message, at + 12);
    }

    /// Whether the announced length breaks the protocol.
    public static boolean isTooLong(int length) {
        return Integer.compareUnsigned(length, PAYLOAD_MAX) > 0;
    }

    /// Whether `size` bytes from `at` on contain a whole message, or can never become one.
    public static boolean isWhole(byte[] bytes, int at, int size) {
        if (size < SIZE) {
            return false;
        }
        int length = length(bytes, at);
        return isTooLong(length) || size >= SIZE + length;
    }

    /// Writes a header at `at`.
    public static void put(
            byte[] message,
            int at,
            MessageType type,
            int requestId,
            int transactionId,
            int length) {
        INT.set(message, at, type.code());
        INT.set(message, at + 4, requestId);
        INT.set(message, at + 8, transactionId);
        INT.set(message, at + 12, length);
    }
}
