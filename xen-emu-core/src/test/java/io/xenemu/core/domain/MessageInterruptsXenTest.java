package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Pirq;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.testing.Eventually;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/// The VM delivers messages of devices.
@Timeout(60)
@ParameterizedClass
@EnumSource(VmDomain.Kind.class)
class MessageInterruptsXenTest {
    private static final long SHARED_INFO_GFN = 0x70;
    private static final long SHARED_INFO = SHARED_INFO_GFN << 12;
    private static final long PENDING = SHARED_INFO + 0x800;
    private static final long VCPU_INFO_SIZE = 64;
    private static final long PENDING_SEL = 8;
    private static final long GSI_CALLBACK = 5;
    private static final Pirq PIRQ = new Pirq(40);

    private final VmDomain.Kind kind;
    private VmDomain vm;
    private TestDomain test;
    private Domain domain;
    private EvtchnPort port;
    private EventFd message;

    MessageInterruptsXenTest(VmDomain.Kind kind) {
        this.kind = kind;
    }

    @BeforeEach
    void setUp() throws BootException, XenError {
        vm = kind.open(2);
        test = vm.test();
        domain = test.domain();
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        message = domain.messageInterrupts().open(PIRQ);
        port = domain.eventChannels().bindPirq(PIRQ, 0);
    }

    @AfterEach
    void tearDown() {
        // Not there where the test was skipped.
        if (vm != null) {
            vm.close();
        }
    }

    private boolean takePending() throws XenError {
        long bit = 1L << port.value();
        long word = test.memory().read64(PENDING);
        boolean pending = (word & bit) != 0;
        if (pending) {
            // Only then: the event may come between the read and the write.
            test.memory().write64(PENDING, word & ~bit);
        }
        return pending;
    }

    private void awaitEvent() throws XenError, InterruptedException {
        vm.signal(message);
        Eventually.holds("the event is pending", this::takePending);
    }

    private double raisedInUserSpace() {
        return test.registry().get("xen.evtchn.raised").tag("type", "pirq").counter().count();
    }

    private boolean selected(int vcpu) throws XenError {
        return test.memory().read64(SHARED_INFO + vcpu * VCPU_INFO_SIZE + PENDING_SEL) != 0;
    }

    @Test
    void kernelTurnsTheMessageIntoAnEvent() throws XenError, InterruptedException {
        awaitEvent();
        assertTrue(selected(0));
        assertFalse(selected(1));
        assertEquals(0, raisedInUserSpace());
    }

    @Test
    void bindVcpuMovesTheRoute() throws XenError, InterruptedException {
        domain.eventChannels().bindVcpu(port, new VcpuId(1));
        awaitEvent();
        assertFalse(selected(0));
        assertTrue(selected(1));
        assertEquals(0, raisedInUserSpace());
    }

    @Test
    void threadTakesTheMessageWhileALineAnnouncesEvents() throws XenError, InterruptedException {
        domain.delivery().setCallback(GSI_CALLBACK, GuestWidth.BITS_64);
        awaitEvent();
        awaitEvent();
        assertEquals(2, raisedInUserSpace());

        domain.delivery().setCallback(0, GuestWidth.BITS_64);
        awaitEvent();
        assertEquals(2, raisedInUserSpace());
    }

    @Test
    void kernelTakesOverAgainWithAnotherPort() throws XenError, InterruptedException {
        domain.eventChannels().close(port);
        domain.eventChannels().bindIpi(new VcpuId(0));
        port = domain.eventChannels().bindPirq(PIRQ, 0);
        awaitEvent();
        assertEquals(0, raisedInUserSpace());
    }

    @Test
    void onePirqHasOneDevice() throws XenError {
        assertThrows(IllegalStateException.class, () -> domain.messageInterrupts().open(PIRQ));
        domain.messageInterrupts().close(PIRQ);
        domain.messageInterrupts().open(PIRQ);
    }

    @Test
    void pirqOfALineIsNoMessage() throws XenError {
        Pirq line = domain.eventChannels().pirqs().mapGsi(4, -1);
        assertEquals(
                XenError.EINVAL,
                assertThrows(XenError.class, () -> domain.messageInterrupts().open(line)));
    }
}
