package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// vCPUs from 32 on, which have no place in shared_info, up to the last that a domain can have.
final class DistantVcpuCallsTest extends CallingGuest {
    private static final int MEMORY_OP = 12;
    private static final int VCPU_OP = 24;
    private static final int HVM_OP = 34;
    private static final int ADD_TO_PHYSMAP = 7;
    private static final int REGISTER_INFO = 10;
    private static final int BIND_IPI = 7;
    private static final int SEND = 4;
    private static final int SET_UPCALL_VECTOR = 23;
    private static final int VECTOR = 0xf3;
    private static final int SHARED_INFO_GFN = 0x100;
    private static final int INFO_GFN = 0x101;
    private static final long INFO = (long) INFO_GFN << 12;

    DistantVcpuCallsTest() throws BootException, XenError {
        super(new TestDomain(new FakeVm(), 128));
    }

    private void mapSharedInfo() throws XenError {
        memory.fill(ARG, 24, (byte) 0);
        memory.write16(ARG, SELF);
        memory.write64(ARG + 16, SHARED_INFO_GFN);
        assertEquals(0, call(MEMORY_OP, ADD_TO_PHYSMAP, ARG));
    }

    private long register(int vcpu, int offset) throws XenError {
        memory.write64(ARG, INFO_GFN);
        memory.write32(ARG + 8, offset);
        memory.write32(ARG + 12, 0);
        return call(VCPU_OP, REGISTER_INFO, vcpu, ARG);
    }

    private int bindIpi(int vcpu) throws XenError {
        memory.write32(ARG, vcpu);
        assertEquals(0, call(EVENT_CHANNEL_OP, BIND_IPI, ARG));
        return memory.read32(ARG + 4);
    }

    private long send(int port) throws XenError {
        memory.write32(ARG, port);
        return call(EVENT_CHANNEL_OP, SEND, ARG);
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 39, 127})
    void eventOfADistantVcpuComesToThePlaceThatItRegisters(int vcpu) throws XenError {
        mapSharedInfo();
        memory.write32(ARG, vcpu);
        memory.write8(ARG + 4, VECTOR);
        assertEquals(0, call(HVM_OP, SET_UPCALL_VECTOR, ARG));
        int early = bindIpi(vcpu);
        assertEquals(0, send(early));

        memory.fill(INFO, 4096, (byte) 0xff);
        assertEquals(0, register(vcpu, 0x40));
        assertEquals(1, memory.read8(INFO + 0x40), "evtchn_upcall_pending");
        assertEquals(1L << (early / 64), memory.read64(INFO + 0x48), "evtchn_pending_sel");
        assertEquals(-16, register(vcpu, 0x80));

        memory.write8(INFO + 0x40, 0);
        memory.write64(INFO + 0x48, 0);
        int later = bindIpi(vcpu);
        assertEquals(0, send(later));
        assertEquals(1, memory.read8(INFO + 0x40));
        assertEquals(1L << (later / 64), memory.read64(INFO + 0x48));
        String message = "signalMsi(fee%02x000, %d)".formatted(vcpu, VECTOR);
        FakeVm vm = (FakeVm) guest.domain().vm();
        assertEquals(message, vm.calls("signalMsi").getLast());
    }

    /// Its place would be beyond the 32 in the page, in the bitmap of pending events.
    @Test
    void sharedInfoHasNoPlaceForADistantVcpu() throws XenError {
        mapSharedInfo();
        int port = bindIpi(32);
        assertEquals(0, send(port));
        long shared = (long) SHARED_INFO_GFN << 12;
        assertEquals(1L << port, memory.read64(shared + 0x800));
        for (int word = 1; word < 64; word++) {
            assertEquals(0, memory.read64(shared + 0x800 + 8L * word));
        }
    }

    @Test
    void thereIsNoVcpuBeyondTheLast() throws XenError {
        assertEquals(-2, register(128, 0));
    }
}
