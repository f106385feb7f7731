package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.HypercallPage;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.ExitReason;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.KvmRegs;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.Segment;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/// Needs a KVM with Xen support, such as the lab's, since it is KVM that has to agree.
@Timeout(60)
class LatchedWidthXenTest {
    private static final long SHARED_INFO_GFN = 0x70;
    private static final long SHARED_INFO = SHARED_INFO_GFN << 12;

    /// Where shared_info has `wc_version` in either layout.
    private static final long WALL_CLOCK_64 = SHARED_INFO + 0xc00;

    private static final long WALL_CLOCK_32 = SHARED_INFO + 0x900;

    /// More ports than a 32-bit domain has.
    private static final int MANY = 1500;

    private static final int CODE = 0xa000;
    private static final int HANDLER = 0xa100;
    private static final int GENERAL_PROTECTION = 13;
    private static final int WRITTEN = 0x10;
    private static final int REFUSED = 0x11;
    private static final long PAGE = 0x9000;
    private static final long NO_MEMORY = 0x7000_0000;
    private static final VcpuId VCPU0 = new VcpuId(0);

    private static final EventChannelConfig ALL_PORTS =
            new EventChannelConfig(false, EvtchnOptions.UNLIMITED, false);

    private TestDomain test;
    private Domain domain;
    private EventChannels channels;

    @BeforeEach
    void setUp() throws BootException, XenError {
        test = TestDomain.withXen(1, ALL_PORTS);
        domain = test.domain();
        channels = domain.eventChannels();
    }

    @AfterEach
    void tearDown() {
        // Not there where the test was skipped.
        if (test != null) {
            test.close();
        }
    }

    private void assertWidth(GuestWidth width) {
        assertEquals(width, domain.latchedWidth());
        assertEquals(width == GuestWidth.BITS_64, domain.vm().xen().longMode());
    }

    private List<EvtchnPort> bindMany() throws XenError {
        List<EvtchnPort> ports = new ArrayList<>();
        for (int i = 0; i < MANY; i++) {
            ports.add(channels.bindIpi(VCPU0));
        }
        return ports;
    }

    /// KVM has room for as many ports as the guest from the beginning on.
    @Test
    void newDomainIs64Bit() throws XenError {
        assertWidth(GuestWidth.BITS_64);
        bindMany();
    }

    @Test
    void mappingSharedInfoLatchesNothing() throws XenError {
        domain.mapSharedInfo(0, SHARED_INFO_GFN);
        assertWidth(GuestWidth.BITS_64);
        assertTrue(test.memory().read32(WALL_CLOCK_64) != 0);
        domain.latchWidth(GuestWidth.BITS_32);
        domain.mapSharedInfo(0, SHARED_INFO_GFN + 1);
        assertWidth(GuestWidth.BITS_32);
    }

    @Test
    void callbackLatchesTheWidthAndWritesTheWallClock() throws XenError {
        domain.mapSharedInfo(0, SHARED_INFO_GFN);
        domain.delivery().setCallback(0, GuestWidth.BITS_32);
        assertWidth(GuestWidth.BITS_32);
        assertTrue(test.memory().read32(WALL_CLOCK_32) != 0);

        test.memory().write32(WALL_CLOCK_32, 0);
        domain.delivery().setCallback(0, GuestWidth.BITS_32);
        assertTrue(test.memory().read32(WALL_CLOCK_32) != 0);
    }

    @Test
    void portsBeyondTheNewWidthCanBeClosedAndTheirNumbersUsedAgain() throws XenError {
        domain.mapSharedInfo(0, SHARED_INFO_GFN);
        List<EvtchnPort> ports = bindMany();
        domain.latchWidth(GuestWidth.BITS_32);
        for (EvtchnPort port : ports) {
            channels.send(port);
            channels.close(port);
        }
        domain.latchWidth(GuestWidth.BITS_64);
        bindMany();
    }

    @Test
    void loopbackBeyondTheNewWidthCanBeClosedAtEitherEnd() throws XenError {
        domain.mapSharedInfo(0, SHARED_INFO_GFN);
        EvtchnPort near = channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort otherNear = channels.allocUnbound(DomId.SELF, DomId.SELF);
        bindMany();
        EvtchnPort far = channels.bindInterdomain(DomId.SELF, near);
        EvtchnPort otherFar = channels.bindInterdomain(DomId.SELF, otherNear);
        domain.latchWidth(GuestWidth.BITS_32);
        channels.send(near);
        channels.close(near);
        channels.close(far);
        channels.close(otherFar);
        channels.close(otherNear);
    }

    /// Has the guest write `value` to the MSR, in real mode, and serves that.
    ///
    /// @return the I/O port at which it arrives then: [#WRITTEN] or [#REFUSED]
    private int writeMsr(long value) throws XenError {
        // mov ecx, 4000_0000; mov eax, value; xor edx, edx; wrmsr; out 10, al
        String code = "66b900000040" + "66b8%08x".formatted(Integer.reverseBytes((int) value));
        put(CODE, code + "6631d2" + "0f30" + "e610");
        put(HANDLER, "e611");
        test.memory().write32(GENERAL_PROTECTION * Integer.BYTES, HANDLER);
        KvmVcpu vcpu = start();
        HypercallMsr msr =
                new HypercallMsr(domain, domain.vcpus().getFirst(), new HypercallPage(true));
        assertEquals(0, vcpu.enter());
        assertEquals(ExitReason.X86_WRMSR, vcpu.run().exitReason());
        msr.write();
        assertEquals(0, vcpu.enter());
        return vcpu.run().ioPort();
    }

    private void put(int address, String code) throws XenError {
        byte[] bytes = HexFormat.of().parseHex(code);
        test.memory().copyOut(bytes, 0, address, bytes.length);
    }

    private KvmVcpu start() {
        KvmVcpu vcpu = domain.vcpus().getFirst().kvm();
        Segment code = new Segment(0, 0xffff, 0, 11, true, 0, false, true, false, false, false);
        vcpu.setSregs(vcpu.getSregs().segment(Segment.Name.CS, code));
        vcpu.setRegs(new KvmRegs().set(Gpr.RIP, CODE).set(Gpr.RFLAGS, 2));
        return vcpu;
    }

    @Test
    void hypercallMsrFillsThePageAndLatchesTheWidth() throws XenError {
        assertEquals(WRITTEN, writeMsr(PAGE));
        assertEquals(0xb8, test.memory().read8(PAGE));
        assertEquals(0x0b0f, test.memory().read16(PAGE + 23 * 32));
        assertWidth(GuestWidth.BITS_32);
    }

    @Test
    void refusedWriteOfTheHypercallMsrChangesNothing() throws XenError {
        assertEquals(REFUSED, writeMsr(PAGE + 1));
        assertEquals(0, test.memory().read32(PAGE));
        assertEquals(REFUSED, writeMsr(NO_MEMORY));
        assertWidth(GuestWidth.BITS_64);
    }

    @Test
    void hypercallMsrReadsAsZero() throws XenError {
        // mov ecx, 4000_0000; mov al, ff; rdmsr; out 10, al
        put(CODE, "66b900000040" + "b0ff" + "0f32" + "e610");
        KvmVcpu vcpu = start();
        assertEquals(0, vcpu.enter());
        assertEquals(ExitReason.X86_RDMSR, vcpu.run().exitReason());
        new HypercallMsr(domain, domain.vcpus().getFirst(), new HypercallPage(true)).read();
        assertEquals(0, vcpu.enter());
        assertEquals(0, vcpu.run().ioData(0));
    }
}
