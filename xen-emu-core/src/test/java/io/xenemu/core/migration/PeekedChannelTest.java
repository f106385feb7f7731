package io.xenemu.core.migration;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class PeekedChannelTest {
    private static final byte[] ALL = {1, 2, 3, 4, 5};

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, 5, 8})
    void whatWasLookedAtIsReadAgain(int count) throws IOException {
        PeekedChannel channel =
                new PeekedChannel(Channels.newChannel(new ByteArrayInputStream(ALL)), count);
        assertEquals(Math.min(count, ALL.length), channel.first().length);
        ByteBuffer read = ByteBuffer.allocate(ALL.length);
        ByteBuffer two = ByteBuffer.allocate(2);
        while (channel.read(two.clear()) >= 0) {
            read.put(two.flip());
        }
        assertArrayEquals(ALL, read.array());
        assertEquals(-1, channel.read(two.clear()));
        assertEquals(Math.min(count, ALL.length), channel.first().length);
    }
}
