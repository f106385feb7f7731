package io.xenemu.kvm.file;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class PseudoTerminalTest {
    private static final int ROOM = 8192;

    /// A terminal of the host takes less than this while nobody reads.
    private static final int MOST_KEPT = 4 << 20;

    private static byte[] allBytes() {
        byte[] bytes = new byte[256];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) i;
        }
        return bytes;
    }

    private static byte[] read(ByteStream from, MemorySegment buffer, int count) {
        byte[] got = new byte[count];
        int[] done = {0};
        Eventually.holds(
                "the bytes",
                () -> {
                    int read = from.read(buffer, count - done[0]);
                    if (read > 0) {
                        MemorySegment.copy(buffer, ValueLayout.JAVA_BYTE, 0, got, done[0], read);
                        done[0] += read;
                    }
                    return done[0] == count;
                });
        return got;
    }

    @Test
    void everyByteGoesThroughUnchangedBothWays() {
        try (PseudoTerminal pty = PseudoTerminal.open();
                ByteStream other = ByteStream.openTerminal(Path.of(pty.name()));
                Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(ROOM);
            byte[] all = allBytes();
            MemorySegment.copy(all, 0, buffer, ValueLayout.JAVA_BYTE, 0, all.length);
            assertEquals(all.length, pty.stream().write(buffer, all.length));
            assertArrayEquals(all, read(other, buffer, all.length));
            MemorySegment.copy(all, 0, buffer, ValueLayout.JAVA_BYTE, 0, all.length);
            assertEquals(all.length, other.write(buffer, all.length));
            assertArrayEquals(all, read(pty.stream(), buffer, all.length));
            assertEquals(-Errno.EAGAIN, pty.stream().read(buffer, 1), "there is no echo");
        }
    }

    @Test
    void settingsLastWhenTheLastReaderHasLeft() {
        try (PseudoTerminal pty = PseudoTerminal.open();
                Arena arena = Arena.ofConfined()) {
            ByteStream.openTerminal(Path.of(pty.name())).close();
            MemorySegment buffer = arena.allocate(ROOM);
            buffer.set(ValueLayout.JAVA_BYTE, 0, (byte) '\n');
            assertEquals(1, pty.stream().write(buffer, 1));
            try (ByteStream next = ByteStream.openTerminal(Path.of(pty.name()))) {
                assertArrayEquals(new byte[] {'\n'}, read(next, buffer, 1));
            }
        }
    }

    @Test
    void terminalThatNobodyReadsIsFullAtLast() {
        try (PseudoTerminal pty = PseudoTerminal.open();
                Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(ROOM);
            long kept = 0;
            int taken = pty.stream().write(buffer, ROOM);
            while (taken > 0 && kept < MOST_KEPT) {
                kept += taken;
                taken = pty.stream().write(buffer, ROOM);
            }
            assertEquals(-Errno.EAGAIN, taken);
            assertTrue(kept > 0 && kept < MOST_KEPT, Long.toString(kept));
        }
    }
}
