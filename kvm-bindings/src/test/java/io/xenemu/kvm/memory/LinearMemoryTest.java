package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LinearMemoryTest {
    private static final long SECOND_PAGE = PagedGuest.BASE + 4096;

    @ParameterizedTest
    @EnumSource
    void wordsAreWrittenAndReadAcrossPages(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            LinearMemory linear = guest.argument.linear();
            for (int inFirst = 0; inFirst <= 8; inFirst++) {
                long at = SECOND_PAGE - inFirst;
                linear.write64(at, 0xf1f2f3f4f5f6f7f8L);
                assertEquals(0xf1f2f3f4f5f6f7f8L, linear.read64(at));
                assertEquals(0xf5f6f7f8, linear.read32(at));
                assertEquals(0xf7f8, linear.read16(at));
                assertEquals(0xf8, linear.read8(at));
                linear.write32(at, 0x01020304);
                assertEquals(0xf1f2f3f401020304L, linear.read64(at));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void longRangesSpanManyPages(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            for (int page = 0; page < 7; page++) {
                guest.map(page, true);
            }
            byte[] data = new byte[5 * 4096 + 10];
            new Random(1).nextBytes(data);
            LinearMemory linear = guest.argument.linear();
            linear.copyOut(data, 0, PagedGuest.BASE + 4090, data.length);
            byte[] back = new byte[data.length];
            linear.copyIn(PagedGuest.BASE + 4090, back, 0, back.length);
            assertArrayEquals(data, back);
            assertEquals(
                    Byte.toUnsignedInt(data[3 * 4096]),
                    guest.byteAt(PagedGuest.BASE + 4090 + 3 * 4096));
        }
    }

    @Test
    void stringEndsAtItsNulEvenBeforeAnUnreachablePage() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_64)) {
            guest.map(0, true);
            LinearMemory linear = guest.argument.linear();
            long at = SECOND_PAGE - 4;
            linear.write32(at, 0x00636261);
            assertEquals("abc", linear.readString(at, 100));
            assertEquals("abc", linear.readString(at, 3));
            assertSame(
                    XenError.E2BIG, assertThrows(XenError.class, () -> linear.readString(at, 2)));
            linear.write32(at, 0x64636261);
            assertSame(
                    XenError.EFAULT,
                    assertThrows(XenError.class, () -> linear.readString(at, 100)));
        }
    }

    @Test
    void thirtyTwoBitRangeWrapsAtTheEndOfTheAddressSpace() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_32)) {
            GuestMemory memory = guest.memory;
            LinearMemory flat = new LinearMemory(memory, new Registers(0, 0, 0, 0, false));
            memory.add(0xffff_f000L, guest.arena.allocate(4096, 4096));
            flat.write64(0xffff_fffcL, 0x1122334455667788L);
            assertEquals(0x11223344, memory.read32(0));
            assertEquals(0x55667788, memory.read32(0xffff_fffcL));
            assertEquals(0x1122334455667788L, flat.read64(0xffff_fffcL));
        }
    }

    @Test
    void nonCanonicalOrUnmappedEndsAreEfault() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_64)) {
            LinearMemory linear = guest.argument.linear();
            assertThrows(XenError.class, () -> linear.read64(-4));
            assertThrows(XenError.class, () -> linear.read64((1L << 47) - 4));
        }
    }

    @ParameterizedTest
    @EnumSource
    void pageIsRememberedUntilTheNextHypercall(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            LinearMemory linear = guest.argument.linear();
            linear.write32(PagedGuest.BASE, 7);
            guest.unmap(0);
            assertEquals(7, linear.read32(PagedGuest.BASE));
            linear.forget();
            assertThrows(XenError.class, () -> linear.read32(PagedGuest.BASE));
        }
    }

    @ParameterizedTest
    @EnumSource
    void readOnlyPageThatWasReadCannotBeWritten(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, false);
            LinearMemory linear = guest.argument.linear();
            assertEquals(0, linear.read32(PagedGuest.BASE));
            assertThrows(XenError.class, () -> linear.write32(PagedGuest.BASE, 1));
            assertEquals(0, linear.read32(PagedGuest.BASE));
        }
    }
}
