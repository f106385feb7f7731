package io.xenemu.kvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.GuestWidth;
import org.junit.jupiter.api.Test;

class StructBuilderTest {
    private final StructBuilder s = GuestStruct.declare("struct test");

    @Test
    void plain64BitNumbersAreAlignedTo4BytesOnI386() {
        s.u32("first");
        GuestField plain = s.u64("plain");
        assertEquals(4, plain.offset32());
        assertEquals(8, plain.offset64());
        assertEquals(12, s.build().size(GuestWidth.BITS_32));
    }

    @Test
    void aligned64BitNumbersAreAlignedTo8BytesInBoth() {
        s.u8("first");
        GuestField aligned = s.u64Aligned("aligned");
        assertEquals(8, aligned.offset32());
        assertEquals(8, aligned.offset64());
    }

    @Test
    void unionIsAsLongAsItsLongestMember() {
        s.u16("before");
        GuestField first = s.union(FieldKind.ULONG).u32("u.first");
        GuestField second = s.or().bytes("u.second", 13);
        GuestField after = s.end().u8("after");
        assertEquals(4, first.offset32());
        assertEquals(8, first.offset64());
        assertEquals(8, second.offset64());
        assertEquals(4 + 16, after.offset32());
        assertEquals(8 + 16, after.offset64());
        assertEquals(32, s.build().size(GuestWidth.BITS_64));
    }

    @Test
    void wrongDeclarationsAreRefused() {
        s.u8("a");
        assertThrows(IllegalStateException.class, () -> s.u16("a"));
        assertThrows(IllegalStateException.class, s::or);
        s.union(FieldKind.U8);
        assertThrows(IllegalStateException.class, () -> s.union(FieldKind.U8));
        s.build();
        assertThrows(IllegalStateException.class, () -> s.u8("b"));
    }
}
