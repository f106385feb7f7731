package io.xenemu.kvm.attach;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.ioctl.CStruct;
import io.xenemu.kvm.wire.WireException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;

/// Whatever a VMM sends is a message with possible numbers, or refused.
class AttachMessagePropertyTest {
    private static final long GIB = 1L << 30;

    @Property
    void anyBytesAreAMessageOrRefused(
            @ForAll @IntRange(max = 40) int type, @ForAll @Size(max = 300) byte[] rest) {
        byte[] bytes = new byte[rest.length + 2];
        bytes[0] = (byte) type;
        System.arraycopy(rest, 0, bytes, 2, rest.length);
        try {
            checked(AttachMessage.decode(bytes));
        } catch (WireException e) {
            assertNotNull(e.getMessage());
        }
    }

    @Property
    void anyBytesOfTheRightLengthAreAMessageOrRefused(
            @ForAll @IntRange(min = 1, max = 5) int type, @ForAll @Size(200) byte[] content) {
        StructLayout layout =
                switch (type) {
                    case AttachLayouts.HELLO -> AttachLayouts.XA_HELLO;
                    case AttachLayouts.RAM -> AttachLayouts.XA_RAM;
                    case AttachLayouts.VCPU -> AttachLayouts.XA_VCPU;
                    default -> AttachLayouts.XA_PLAIN;
                };
        byte[] bytes = new byte[(int) layout.byteSize()];
        System.arraycopy(content, 0, bytes, 0, bytes.length);
        bytes[0] = (byte) type;
        bytes[1] = 0;
        try {
            checked(AttachMessage.decode(bytes));
        } catch (WireException e) {
            assertNotNull(e.getMessage());
        }
    }

    /// What the service relies on.
    private static void checked(AttachMessage message) {
        switch (message) {
            case AttachMessage.Hello hello ->
                    assertTrue(hello.settings().length() <= AttachMessage.MAX_SETTINGS);
            case AttachMessage.Ram ram -> {
                long offset = 0;
                long end = 0;
                for (AttachMessage.Range range : ram.ranges()) {
                    assertEquals(offset, range.offset());
                    assertTrue(range.guestAddress() >= end && range.bytes() > 0);
                    offset += range.bytes();
                    end = range.guestAddress() + range.bytes();
                }
                assertEquals(offset, ram.bytes());
            }
            case AttachMessage.Vcpu vcpu ->
                    assertTrue(vcpu.number() >= 0 && vcpu.number() < AttachMessage.MAX_VCPUS);
            case AttachMessage.Start _, AttachMessage.Reset _ -> {}
        }
    }

    @Property
    void memoryInTwoPartsIsTaken(
            @ForAll @LongRange(min = 1, max = 1 << 18) long low,
            @ForAll @LongRange(min = 1, max = 1 << 20) long high)
            throws WireException {
        long page = 4096;
        byte[] bytes = ram(low * page, 4 * GIB, high * page, low * page);
        AttachMessage.Ram ram = (AttachMessage.Ram) AttachMessage.decode(bytes);
        assertEquals((low + high) * page, ram.bytes());
        assertEquals(2, ram.ranges().size());
    }

    @Property
    void memoryThatOverlapsOrHasAGapIsRefused(
            @ForAll @LongRange(min = 1, max = 1 << 20) long low,
            @ForAll @LongRange(min = 1, max = 1 << 20) long into) {
        long page = 4096;
        long inside = Math.max(0, low - into) * page;
        assertThrows(
                WireException.class,
                () -> AttachMessage.decode(ram(low * page, inside, page, low * page)));
        assertThrows(
                WireException.class,
                () -> AttachMessage.decode(ram(low * page, 4 * GIB, page, (low + into) * page)));
    }

    private static byte[] ram(long low, long second, long bytes, long offset) {
        try (Arena arena = Arena.ofConfined()) {
            CStruct ram =
                    CStruct.allocate(arena, AttachLayouts.XA_RAM)
                            .set("header.type", AttachLayouts.RAM)
                            .set("ranges", 2);
            range(ram, 0).set("bytes", low);
            range(ram, 1).set("guest_address", second).set("bytes", bytes).set("offset", offset);
            return ram.memory().toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private static CStruct range(CStruct ram, int number) {
        long size = AttachLayouts.XA_RAM_RANGE.byteSize();
        MemorySegment at = ram.memory().asSlice(16 + number * size, size);
        return new CStruct(at, AttachLayouts.XA_RAM_RANGE);
    }
}
