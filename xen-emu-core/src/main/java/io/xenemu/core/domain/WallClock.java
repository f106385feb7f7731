package io.xenemu.core.domain;

import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.xen.SharedInfoStructs.SharedInfo;
import io.xenemu.kvm.memory.GuestField.U32;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/// The wall clock in shared_info: the time of day at which Xen's system time was 0. Its version is odd while it is
/// written, and a reader tries again until it has read the same even version twice.
///
/// @param page shared_info
/// @param width its layout
record WallClock(MemorySegment page, GuestWidth width) {
    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();

    private long at(U32 field) {
        return width == GuestWidth.BITS_64 ? field.offset64() : field.offset32();
    }

    /// Moves it. One thread at a time writes the clock; a guest that writes into it spoils only its own.
    ///
    /// @param seconds negative to move it back; a time before 1970 wraps around, as in Xen
    void add(long seconds) {
        long low = Integer.toUnsignedLong((int) WORD.getVolatile(page, at(SharedInfo.WC_SEC)));
        long high = (int) WORD.getVolatile(page, at(SharedInfo.WC_SEC_HI));
        long moved = ((high << Integer.SIZE) | low) + seconds;
        int odd = (int) WORD.getVolatile(page, at(SharedInfo.WC_VERSION)) | 1;
        WORD.setVolatile(page, at(SharedInfo.WC_VERSION), odd);
        WORD.setVolatile(page, at(SharedInfo.WC_SEC), (int) moved);
        WORD.setVolatile(page, at(SharedInfo.WC_SEC_HI), (int) (moved >>> Integer.SIZE));
        WORD.setVolatile(page, at(SharedInfo.WC_VERSION), odd + 1);
    }
}
