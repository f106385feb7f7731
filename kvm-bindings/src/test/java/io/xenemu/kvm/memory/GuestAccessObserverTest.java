package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// An observer sees each byte that is copied, with both of its addresses, and nothing of what fails.
final class GuestAccessObserverTest {
    private static final long SECOND_PAGE = PagedGuest.BASE + GuestMemory.PAGE_SIZE;

    /// Keeps the last byte seen at each linear address.
    private static final class Seen implements GuestAccessObserver {
        final Map<Long, Byte> in = new TreeMap<>();
        final Map<Long, Byte> out = new TreeMap<>();
        final Map<Long, Long> physical = new TreeMap<>();

        private void add(Map<Long, Byte> seen, long linear, long gpa, long value, int size) {
            for (int i = 0; i < size; i++) {
                seen.put(linear + i, (byte) (value >>> (Byte.SIZE * i)));
                physical.put(linear + i, gpa + i);
            }
        }

        private void add(
                Map<Long, Byte> seen,
                long linear,
                long gpa,
                MemorySegment bytes,
                long offset,
                int length) {
            for (int i = 0; i < length; i++) {
                add(seen, linear + i, gpa + i, bytes.get(ValueLayout.JAVA_BYTE, offset + i), 1);
            }
        }

        @Override
        public void copiedIn(long linear, long gpa, MemorySegment bytes, long offset, int length) {
            add(in, linear, gpa, bytes, offset, length);
        }

        @Override
        public void copiedOut(long linear, long gpa, MemorySegment bytes, long offset, int length) {
            add(out, linear, gpa, bytes, offset, length);
        }

        @Override
        public void read(long linear, long gpa, long value, int size) {
            add(in, linear, gpa, value, size);
        }

        @Override
        public void written(long linear, long gpa, long value, int size) {
            add(out, linear, gpa, value, size);
        }

        @Override
        public void translated(long linear, long gpa, boolean write) {
            physical.put(linear, gpa);
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyByteIsSeenAcrossPages(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            LinearMemory linear = guest.argument.linear();
            for (int inFirst = 0; inFirst <= 8; inFirst++) {
                long at = SECOND_PAGE - inFirst;
                Seen seen = new Seen();
                linear.observe(seen);
                linear.write64(at, 0xf1f2f3f4f5f6f7f8L);
                assertEquals(8, seen.out.size());
                assertEquals((byte) 0xf1, seen.out.get(at + 7));
                linear.write32(at, 0x01020304);
                linear.copyOut(new byte[] {9, 10, 11}, 1, at + 1, 2);
                assertEquals(0xf1f2f3f4010b0a04L, linear.read64(at));
                assertEquals(seen.out, seen.in);
                byte[] back = new byte[10];
                linear.copyIn(at + 4, back, 2, 4);
                assertEquals(seen.out, seen.in);
                long gpa = linear.translate(at + 20, false);
                linear.observe(null);
                linear.write64(at, 0);
                assertEquals(gpa, seen.physical.get(at + 20));
                for (long address : seen.out.keySet()) {
                    assertEquals(linear.translate(address, true), seen.physical.get(address));
                }
                assertEquals((byte) 0xf1, seen.out.get(at + 7));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void accessThatFailsIsNotSeen(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            LinearMemory linear = guest.argument.linear();
            Seen seen = new Seen();
            linear.observe(seen);
            assertThrows(XenError.class, () -> linear.write64(SECOND_PAGE - 4, 1));
            assertThrows(XenError.class, () -> linear.copyOut(new byte[8], 0, SECOND_PAGE - 4, 8));
            assertThrows(XenError.class, () -> linear.read32(SECOND_PAGE));
            assertTrue(seen.out.isEmpty());
            assertTrue(seen.in.isEmpty());
        }
    }
}
