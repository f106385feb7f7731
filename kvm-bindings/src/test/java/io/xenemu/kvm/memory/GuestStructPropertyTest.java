package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.xen.DeclaredStructs;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/// Every declared structure in both widths: what is set in a field is what the guest and a later copy find there.
class GuestStructPropertyTest {
    @Property(tries = 20)
    void everyFieldIsWhereItsLayoutSays(@ForAll long seed, @ForAll GuestWidth width)
            throws Exception {
        Random random = new Random(seed);
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            for (GuestStruct struct : DeclaredStructs.all()) {
                for (GuestStruct.Member member : struct.members()) {
                    long address = PagedGuest.BASE + random.nextInt(4096);
                    roundTrip(guest, struct, member.field(), address, random);
                }
            }
        }
    }

    private static void roundTrip(
            PagedGuest guest, GuestStruct struct, GuestField field, long address, Random random)
            throws Exception {
        GuestWidth width = guest.cpu.width();
        int size = field.size(width);
        assertTrue(field.offset(width) + size <= struct.size(width));
        byte[] bytes = new byte[size];
        random.nextBytes(bytes);
        set(guest.argument, field, width, bytes);
        guest.argument.copyOut(struct, address);
        for (int i = 0; i < size; i++) {
            assertEquals(bytes[i], (byte) guest.byteAt(address + field.offset(width) + i));
        }
        guest.argument.clear(struct);
        guest.argument.copyIn(struct, address);
        check(guest.argument, field, width, bytes);
    }

    private static void set(GuestArgument to, GuestField field, GuestWidth width, byte[] bytes) {
        switch (field) {
            case GuestField.U8 f -> to.set(f, (int) number(bytes));
            case GuestField.U16 f -> to.set(f, (int) number(bytes));
            case GuestField.S16 f -> to.set(f, (int) number(bytes));
            case GuestField.U32 f -> to.set(f, number(bytes));
            case GuestField.S32 f -> to.set(f, (int) number(bytes));
            case GuestField.U64 f -> to.set(f, number(bytes));
            case GuestField.Ulong f -> to.set(f, number(bytes));
            case GuestField.Handle f -> to.set(f, number(bytes));
            case GuestField.Bytes f -> to.set(f, bytes);
            case GuestField.Array f -> {
                for (int i = 0; i < f.count(width); i++) {
                    to.set(f, i, number(element(f, width, bytes, i)));
                }
            }
        }
    }

    private static void check(GuestArgument in, GuestField field, GuestWidth width, byte[] bytes) {
        switch (field) {
            case GuestField.U8 f -> assertEquals(number(bytes), in.get(f));
            case GuestField.U16 f -> assertEquals(number(bytes), in.get(f));
            case GuestField.S16 f -> assertEquals((short) number(bytes), in.get(f));
            case GuestField.U32 f -> assertEquals(number(bytes), in.get(f));
            case GuestField.S32 f -> assertEquals((int) number(bytes), in.get(f));
            case GuestField.U64 f -> assertEquals(number(bytes), in.get(f));
            case GuestField.Ulong f -> assertEquals(number(bytes), in.get(f));
            case GuestField.Handle f -> assertEquals(number(bytes), in.get(f));
            case GuestField.Bytes f -> {
                byte[] back = new byte[bytes.length];
                in.get(f, back);
                assertTrue(Arrays.equals(bytes, back));
            }
            case GuestField.Array f -> {
                for (int i = 0; i < f.count(width); i++) {
                    assertEquals(number(element(f, width, bytes, i)), in.get(f, i));
                }
            }
        }
    }

    private static byte[] element(
            GuestField.Array field, GuestWidth width, byte[] bytes, int index) {
        int size = field.kind().size(width);
        return Arrays.copyOfRange(bytes, index * size, (index + 1) * size);
    }

    /// Little endian, zero-extended.
    private static long number(byte[] bytes) {
        long value = 0;
        for (int i = bytes.length - 1; i >= 0; i--) {
            value = (value << 8) | Byte.toUnsignedLong(bytes[i]);
        }
        return value;
    }
}
