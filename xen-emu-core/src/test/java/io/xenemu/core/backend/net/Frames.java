package io.xenemu.core.backend.net;

import java.nio.ByteBuffer;
import java.util.Random;

/// Frames for tests.
final class Frames {
    private Frames() {}

    /// Bytes that nobody parses.
    static byte[] plain(int length) {
        byte[] frame = new byte[length];
        new Random(length).nextBytes(frame);
        frame[12] = 0x12;
        frame[13] = 0x34;
        return frame;
    }

    /// IPv4 with options of so many bytes, behind so many VLAN tags.
    static byte[] ipv4(int protocol, int payload, int options, int tags) {
        byte[] bytes = plain(14 + 4 * tags + 20 + options + payload);
        ByteBuffer frame = ByteBuffer.wrap(bytes);
        int at = ethernet(frame, 0x0800, tags);
        frame.put(at, (byte) (0x40 | (20 + options) / 4));
        frame.putShort(at + 2, (short) (20 + options + payload));
        frame.putShort(at + 6, (short) 0x4000);
        frame.put(at + 9, (byte) protocol);
        frame.putInt(at + 12, 0x0a000001).putInt(at + 16, 0x0a000002);
        transport(frame, at + 20 + options);
        return bytes;
    }

    /// IPv6 with these extension headers of 8 bytes each.
    static byte[] ipv6(int protocol, int payload, int... extensions) {
        byte[] bytes = plain(14 + 40 + 8 * extensions.length + payload);
        ByteBuffer frame = ByteBuffer.wrap(bytes);
        int at = ethernet(frame, 0x86dd, 0);
        frame.put(at, (byte) 0x60);
        int next = at + 6;
        for (int i = 0; i < extensions.length; i++) {
            frame.put(next, (byte) extensions[i]);
            next = at + 40 + 8 * i;
            frame.put(next + 1, (byte) 0);
        }
        frame.put(next, (byte) protocol);
        for (int i = 8; i < 40; i++) {
            frame.put(at + i, (byte) i);
        }
        transport(frame, at + 40 + 8 * extensions.length);
        return bytes;
    }

    /// @return where the network header begins
    private static int ethernet(ByteBuffer frame, int type, int tags) {
        frame.position(12);
        for (int i = 0; i < tags; i++) {
            frame.putShort((short) 0x8100).putShort((short) 7);
        }
        return frame.putShort((short) type).position();
    }

    /// A TCP header's length, where there is room.
    private static void transport(ByteBuffer frame, int at) {
        if (at + 13 < frame.capacity()) {
            frame.put(at + 12, (byte) 0x50).put(at + 13, (byte) 0x10);
        }
    }
}
