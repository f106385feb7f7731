package io.xenemu.core.device;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.SecureRandom;

/// A VM generation id: 128 random bits that are new in each copy of a guest. So the copies do not use the same random
/// numbers (Microsoft, "Virtual Machine Generation ID").
///
/// @param low the first 8 of its bytes in the guest's memory, little endian
/// @param high the others
public record GenerationId(long low, long high) {
    /// No id: the guest finds no such device.
    public static final GenerationId NONE = new GenerationId(0, 0);

    /// A new one, which is not [#NONE].
    public static GenerationId random() {
        SecureRandom random = new SecureRandom();
        GenerationId id = NONE;
        while (!id.exists()) {
            id = new GenerationId(random.nextLong(), random.nextLong());
        }
        return id;
    }

    /// Whether it is an id.
    public boolean exists() {
        return !equals(NONE);
    }

    /// Its bytes in the guest's memory.
    public byte[] bytes() {
        return ByteBuffer.allocate(2 * Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(low)
                .putLong(high)
                .array();
    }

    /// Its form in XenStore: the two halves as unsigned decimal numbers, as libxl writes them.
    public String text() {
        return Long.toUnsignedString(low) + ":" + Long.toUnsignedString(high);
    }
}
