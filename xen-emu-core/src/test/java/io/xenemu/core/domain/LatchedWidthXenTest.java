package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/// The VM has to agree on the width.
@Timeout(60)
@ParameterizedClass
@EnumSource(VmDomain.Kind.class)
class LatchedWidthXenTest {
    private static final long SHARED_INFO_GFN = 0x70;
    private static final long SHARED_INFO = SHARED_INFO_GFN << 12;

    /// Where shared_info has `wc_version` in either layout.
    private static final long WALL_CLOCK_64 = SHARED_INFO + 0xc00;

    private static final long WALL_CLOCK_32 = SHARED_INFO + 0x900;

    /// More ports than a 32-bit domain has.
    private static final int MANY = 1500;

    private static final VcpuId VCPU0 = new VcpuId(0);

    private static final EventChannelConfig ALL_PORTS =
            new EventChannelConfig(false, EvtchnOptions.UNLIMITED, false);

    private final VmDomain.Kind kind;
    private VmDomain vm;
    private TestDomain test;
    private Domain domain;
    private EventChannels channels;

    LatchedWidthXenTest(VmDomain.Kind kind) {
        this.kind = kind;
    }

    @BeforeEach
    void setUp() throws BootException, XenError {
        vm = kind.open(1, ALL_PORTS);
        test = vm.test();
        domain = test.domain();
        channels = domain.eventChannels();
    }

    @AfterEach
    void tearDown() {
        // Not there where the test was skipped.
        if (vm != null) {
            vm.close();
        }
    }

    private void assertWidth(GuestWidth width) {
        assertEquals(width, domain.sharedInfo().width());
        assertEquals(width == GuestWidth.BITS_64, vm.isLongMode());
    }

    private List<EvtchnPort> bindMany() throws XenError {
        List<EvtchnPort> ports = new ArrayList<>();
        for (int i = 0; i < MANY; i++) {
            ports.add(channels.bindIpi(VCPU0));
        }
        return ports;
    }

    /// From the beginning, the VM has room for as many ports as the guest.
    @Test
    void newDomainIs64Bit() throws XenError {
        assertWidth(GuestWidth.BITS_64);
        bindMany();
    }

    @Test
    void mappingSharedInfoLatchesNothing() throws XenError {
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        assertWidth(GuestWidth.BITS_64);
        assertTrue(test.memory().read32(WALL_CLOCK_64) != 0);
        domain.sharedInfo().latchWidth(GuestWidth.BITS_32);
        domain.sharedInfo().map(0, SHARED_INFO_GFN + 1);
        assertWidth(GuestWidth.BITS_32);
    }

    @Test
    void callbackLatchesTheWidthAndWritesTheWallClock() throws XenError {
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        domain.delivery().setCallback(0, GuestWidth.BITS_32);
        assertWidth(GuestWidth.BITS_32);
        assertTrue(test.memory().read32(WALL_CLOCK_32) != 0);

        test.memory().write32(WALL_CLOCK_32, 0);
        domain.delivery().setCallback(0, GuestWidth.BITS_32);
        assertTrue(test.memory().read32(WALL_CLOCK_32) != 0);
    }

    @Test
    void portsBeyondTheNewWidthCanBeClosedAndTheirNumbersUsedAgain() throws XenError {
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        List<EvtchnPort> ports = bindMany();
        domain.sharedInfo().latchWidth(GuestWidth.BITS_32);
        for (EvtchnPort port : ports) {
            channels.send(port);
            channels.close(port);
        }
        domain.sharedInfo().latchWidth(GuestWidth.BITS_64);
        bindMany();
    }

    @Test
    void loopbackBeyondTheNewWidthCanBeClosedAtEitherEnd() throws XenError {
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        EvtchnPort near = channels.allocUnbound(DomId.SELF, DomId.SELF);
        EvtchnPort otherNear = channels.allocUnbound(DomId.SELF, DomId.SELF);
        bindMany();
        EvtchnPort far = channels.bindInterdomain(DomId.SELF, near);
        EvtchnPort otherFar = channels.bindInterdomain(DomId.SELF, otherNear);
        domain.sharedInfo().latchWidth(GuestWidth.BITS_32);
        channels.send(near);
        channels.close(near);
        channels.close(far);
        channels.close(otherFar);
        channels.close(otherNear);
    }
}
