package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.abi.xen.EvtchnStructs.BindVirq;
import io.xenemu.kvm.abi.xen.GnttabStructs.MapGrantRef;
import io.xenemu.kvm.abi.xen.MemoryStructs.AddToPhysmap;
import io.xenemu.kvm.abi.xen.MemoryStructs.MemoryMap;
import io.xenemu.kvm.abi.xen.MulticallStructs;
import io.xenemu.kvm.abi.xen.SchedStructs.Poll;
import io.xenemu.kvm.abi.xen.VersionStructs.CompileInfo;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class GuestArgumentTest {
    private static final long SECOND_PAGE = PagedGuest.BASE + 4096;

    @ParameterizedTest
    @EnumSource
    void structureIsReadAtEverySplitPoint(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            int size = MapGrantRef.STRUCT.size(width);
            for (int inFirst = 0; inFirst <= size; inFirst++) {
                long address = SECOND_PAGE - inFirst;
                for (int i = 0; i < size; i++) {
                    guest.putByte(address + i, 0x81 + i);
                }
                guest.argument.copyIn(MapGrantRef.STRUCT, address);
                assertEquals(0x8887868584838281L, guest.argument.get(MapGrantRef.HOST_ADDR));
                assertEquals(0x8c8b8a89L, guest.argument.get(MapGrantRef.FLAGS));
                assertEquals(0x9291, guest.argument.get(MapGrantRef.DOM));
                assertEquals((short) 0x9493, guest.argument.get(MapGrantRef.STATUS));
                assertEquals(0xa09f9e9d9c9b9a99L, guest.argument.get(MapGrantRef.DEV_BUS_ADDR));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void structureIsWrittenAtEverySplitPoint(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            for (int inFirst = 0; inFirst <= 32; inFirst++) {
                long address = SECOND_PAGE - inFirst;
                guest.argument.set(MapGrantRef.HOST_ADDR, 0x0102030405060708L + inFirst);
                guest.argument.set(MapGrantRef.DEV_BUS_ADDR, -inFirst);
                guest.argument.copyOut(MapGrantRef.STRUCT, address);
                guest.argument.clear(MapGrantRef.STRUCT);
                guest.argument.copyIn(MapGrantRef.STRUCT, address);
                assertEquals(
                        0x0102030405060708L + inFirst, guest.argument.get(MapGrantRef.HOST_ADDR));
                assertEquals(-inFirst, guest.argument.get(MapGrantRef.DEV_BUS_ADDR));
                assertEquals((byte) (8 + inFirst), (byte) guest.byteAt(address));
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void unreachableByteIsEfaultAndNothingIsWritten(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            guest.unmap(1);
            int size = BindVirq.STRUCT.size(width);
            for (int inFirst = 0; inFirst <= size; inFirst++) {
                long address = SECOND_PAGE - inFirst;
                guest.argument.set(BindVirq.VIRQ, 0xffff_ffffL);
                if (inFirst == size) {
                    guest.argument.copyIn(BindVirq.STRUCT, address);
                    guest.argument.copyOut(BindVirq.STRUCT, address);
                } else {
                    isEfault(() -> guest.argument.copyIn(BindVirq.STRUCT, address));
                    guest.argument.set(BindVirq.VIRQ, 0xffff_ffffL);
                    isEfault(() -> guest.argument.copyOut(BindVirq.STRUCT, address));
                    for (int i = 0; i < inFirst; i++) {
                        assertEquals(0, guest.byteAt(address + i));
                    }
                }
            }
        }
    }

    @Test
    void readOnlySecondPageLeavesTheFirstUntouched() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_64)) {
            guest.map(0, true);
            guest.map(1, false);
            guest.argument.copyIn(BindVirq.STRUCT, SECOND_PAGE - 4);
            guest.argument.set(BindVirq.VIRQ, 7);
            isEfault(() -> guest.argument.copyOut(BindVirq.STRUCT, SECOND_PAGE - 4));
            assertEquals(0, guest.byteAt(SECOND_PAGE - 4));
            isEfault(() -> guest.argument.linear().write32(SECOND_PAGE - 2, -1));
            isEfault(() -> guest.argument.linear().write64(SECOND_PAGE - 1, -1));
            assertEquals(0, guest.byteAt(SECOND_PAGE - 1));
        }
    }

    @Test
    void oneFieldIsWrittenWithoutTheOthers() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_64)) {
            guest.map(0, true);
            guest.argument.set(BindVirq.VIRQ, -1);
            guest.argument.set(BindVirq.VCPU, -1);
            guest.argument.set(BindVirq.PORT, 0x1234);
            guest.argument.copyOut(BindVirq.PORT, PagedGuest.BASE);
            assertEquals(0, guest.argument.linear().read64(PagedGuest.BASE));
            assertEquals(0x1234, guest.argument.linear().read64(PagedGuest.BASE + 8));
        }
    }

    @Test
    void narrowCallerHas32BitPointersAndLongs() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_32)) {
            guest.map(0, true);
            LinearMemory linear = guest.argument.linear();
            linear.write32(PagedGuest.BASE, 0xfffff000);
            linear.write32(PagedGuest.BASE + 4, 3);
            linear.write64(PagedGuest.BASE + 8, 0x1_0000_0002L);
            guest.argument.copyIn(Poll.STRUCT, PagedGuest.BASE);
            assertEquals(0xfffff000L, guest.argument.get(Poll.PORTS));
            assertEquals(3, guest.argument.get(Poll.NR_PORTS));
            assertEquals(0x1_0000_0002L, guest.argument.get(Poll.TIMEOUT));
            assertEquals(16, guest.argument.size(AddToPhysmap.STRUCT));
            assertEquals(0xfffff000L, linear.readUlong(PagedGuest.BASE));
        }
    }

    @Test
    void wideCallerHas64BitPointersAndLongs() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_64)) {
            guest.map(0, true);
            guest.argument.set(MemoryMap.NR_ENTRIES, 2);
            guest.argument.set(MemoryMap.BUFFER, 0xffff_8880_0000_1000L);
            guest.argument.copyOut(MemoryMap.STRUCT, PagedGuest.BASE);
            LinearMemory linear = guest.argument.linear();
            assertEquals(0xffff_8880_0000_1000L, linear.readUlong(PagedGuest.BASE + 8));
            linear.writeUlong(PagedGuest.BASE + 16, -2);
            assertEquals(-2, linear.read64(PagedGuest.BASE + 16));
        }
    }

    @ParameterizedTest
    @EnumSource
    void arrayElementsAreTheirSizeApart(GuestWidth width) throws Exception {
        try (PagedGuest guest = new PagedGuest(width)) {
            guest.map(0, true);
            guest.map(1, true);
            long array = SECOND_PAGE - MulticallStructs.Entry.STRUCT.size(width) * 2L - 4;
            for (int i = 0; i < 4; i++) {
                guest.argument.clear(MulticallStructs.Entry.STRUCT);
                guest.argument.set(MulticallStructs.Entry.OP, i);
                guest.argument.set(MulticallStructs.Entry.ARGS, 5, 100 + i);
                guest.argument.copyOut(MulticallStructs.Entry.STRUCT, array, i);
            }
            for (int i = 0; i < 4; i++) {
                guest.argument.copyIn(MulticallStructs.Entry.STRUCT, array, i);
                assertEquals(i, guest.argument.get(MulticallStructs.Entry.OP));
                assertEquals(0, guest.argument.get(MulticallStructs.Entry.ARGS, 4));
                assertEquals(100 + i, guest.argument.get(MulticallStructs.Entry.ARGS, 5));
            }
        }
    }

    @Test
    void indicesOutsideArraysAreTheCallersFault() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_64)) {
            GuestArgument argument = guest.argument;
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> argument.copyIn(MapGrantRef.STRUCT, PagedGuest.BASE, -1));
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> argument.copyIn(MapGrantRef.STRUCT, PagedGuest.BASE, 1L << 32));
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> argument.get(MulticallStructs.Entry.ARGS, 6));
            assertThrows(
                    IndexOutOfBoundsException.class,
                    () -> argument.set(MulticallStructs.Entry.ARGS, -1, 0));
        }
    }

    @Test
    void byteFieldsAreFilledUpWithZeros() throws Exception {
        try (PagedGuest guest = new PagedGuest(GuestWidth.BITS_64)) {
            GuestArgument argument = guest.argument;
            argument.set(
                    CompileInfo.COMPILE_BY, "0123456789abcdef".getBytes(StandardCharsets.US_ASCII));
            argument.set(CompileInfo.COMPILE_BY, new byte[] {'m', 'e'});
            byte[] text = new byte[16];
            argument.get(CompileInfo.COMPILE_BY, text);
            assertEquals("me", new String(text, StandardCharsets.US_ASCII).replace("\0", ""));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> argument.set(CompileInfo.COMPILE_BY, new byte[17]));
        }
    }

    private static void isEfault(Executable access) {
        assertSame(XenError.EFAULT, assertThrows(XenError.class, access));
    }
}
