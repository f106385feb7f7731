package io.xenemu.xenstore.stream;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.state.XenStoreState;
import java.nio.ByteBuffer;
import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

/// Any bytes are either read as a state or refused.
class HostileStreamPropertyTest {
    private static final byte[] SAMPLE = SampleState.stream();

    /// A state that was read can be written, and reads the same again.
    private static void assertReadOrRefused(byte[] stream) {
        XenStoreState state;
        try {
            state = MigrationStream.decode(stream);
        } catch (WireException e) {
            assertNotNull(e.getMessage());
            return;
        }
        try {
            byte[] again = MigrationStream.encode(state, 2);
            assertEquals(
                    ByteBuffer.wrap(again),
                    ByteBuffer.wrap(MigrationStream.encode(MigrationStream.decode(again), 2)));
        } catch (WireException e) {
            assertEquals(true, String.valueOf(e.getMessage()).contains("features"), e::getMessage);
        }
    }

    @Property(tries = 1000)
    void arbitraryRecordsAreReadOrRefused(
            @ForAll @IntRange(min = 1, max = 2) int version,
            @ForAll @IntRange(min = 0, max = 9) int type,
            @ForAll @Size(max = 80) byte[] body,
            @ForAll boolean plausible) {
        ByteBuffer stream = ByteBuffer.allocate(body.length + 32);
        stream.putLong(RecordReader.IDENT).putInt(version).putInt(1);
        stream.putInt(type).putInt(body.length);
        for (byte b : body) {
            // Small numbers make many lengths plausible.
            stream.put(plausible ? (byte) (b & 0x21 & 0x63) : b);
        }
        assertReadOrRefused(stream.array());
    }

    @Property(tries = 3000)
    void damagedStreamsAreReadOrRefused(
            @ForAll @IntRange(max = 2000) int at, @ForAll byte first, @ForAll byte second) {
        byte[] damaged = SAMPLE.clone();
        damaged[at % damaged.length] ^= first;
        damaged[(at * 7) % damaged.length] ^= second;
        assertReadOrRefused(damaged);
    }

    @Test
    void everyCutIsRefused() {
        for (int length = 0; length < SAMPLE.length; length++) {
            byte[] cut = Arrays.copyOf(SAMPLE, length);
            assertThrows(WireException.class, () -> MigrationStream.decode(cut));
        }
        byte[] longer = Arrays.copyOf(SAMPLE, SAMPLE.length + 1);
        assertThrows(WireException.class, () -> MigrationStream.decode(longer));
    }
}
