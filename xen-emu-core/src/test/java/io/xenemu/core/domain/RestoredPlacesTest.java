package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.XenCapability;
import java.io.ByteArrayInputStream;
import java.util.EnumSet;
import java.util.UUID;
import org.junit.jupiter.api.Test;

/// The places in guest memory that a guest named before it was saved.
final class RestoredPlacesTest {
    private static final long GFN = 0x110;
    private static final long OFFSET = 64;
    private static final long PLACE = (GFN << 12) + OFFSET;

    /// `evtchn_pending_sel` of a 64-bit guest.
    private static final long SELECTOR = PLACE + 8;

    private static TestDomain domain(DomainOrigin origin) throws Exception {
        return TestDomain.of(origin, new FakeVm(), EnumSet.noneOf(XenCapability.class));
    }

    private static DomainOrigin boot() {
        return new DomainOrigin.Boot(
                TestDomain.ID,
                new DomainConfig(
                        "test",
                        new UUID(1, 2),
                        GuestMemoryMap.MIN_BYTES,
                        2,
                        0x0004_0013,
                        new GrantLimits(4, 1, 2),
                        new EventChannelConfig(true, EvtchnOptions.XL_MAX_PORT, true)));
    }

    private static TestDomain restored(TestDomain old) throws Exception {
        byte[] stream = XenState.write(old.domain().parts().quiesceAndSave());
        old.domain().parts().resume();
        XenState saved = XenState.read(new ByteArrayInputStream(stream));
        return domain(
                new DomainOrigin.Saved(
                        saved, to -> to.ram().copyFrom(old.domain().memory().ram())));
    }

    @Test
    void registeredVcpuInfoKeepsItsContents() throws Exception {
        try (TestDomain old = domain(boot())) {
            Vcpu vcpu = old.domain().vcpus().getFirst();
            vcpu.areas().registerVcpuInfo(GFN, OFFSET, vcpu);
            // An upcall of an event whose port the guest has closed meanwhile.
            old.memory().write64(PLACE, 1);
            old.memory().write64(SELECTOR, 4);
            try (TestDomain restored = restored(old)) {
                assertEquals(1, restored.memory().read64(PLACE));
                assertEquals(4, restored.memory().read64(SELECTOR));
            }
        }
    }

    @Test
    void controlBlockIsRestoredEvenIfTheGuestGaveItsPageUp() throws Exception {
        try (TestDomain old = domain(boot())) {
            old.domain().eventChannels().initControl(new VcpuId(0), GFN, 0);
            old.domain().eventChannels().expandArray(GFN + 1);
            old.domain().pages().decreaseReservation(GFN, 2);
            try (TestDomain restored = restored(old)) {
                assertEquals(
                        old.domain().eventChannels().save(),
                        restored.domain().eventChannels().save());
            }
        }
    }

    /// KVM has no state for it but UNINITIALIZED, which a vCPU without registers has too.
    @Test
    void vcpuThatIsDownHasItsRegistersAndComesUp() throws Exception {
        try (TestDomain old = domain(boot())) {
            Vcpu before = old.domain().vcpus().get(1);
            before.port().setMpState(MpState.RUNNABLE);
            before.down();
            before.goDown();
            assertEquals(MpState.UNINITIALIZED, before.port().getMpState());
            try (TestDomain restored = restored(old)) {
                Vcpu vcpu = restored.domain().vcpus().get(1);
                // As KVM's half of the state has it.
                vcpu.port().setMpState(MpState.UNINITIALIZED);
                assertTrue(vcpu.isDown());
                assertTrue(vcpu.isInitialised());
                vcpu.up();
                assertEquals(MpState.RUNNABLE, vcpu.port().getMpState());
            }
        }
    }

    @Test
    void vcpuThatIsToGoDownGoesDownBeforeItRuns() throws Exception {
        try (TestDomain old = domain(boot())) {
            old.domain().vcpus().get(1).down();
            try (TestDomain restored = restored(old)) {
                Vcpu vcpu = restored.domain().vcpus().get(1);
                assertTrue(vcpu.isGoingDown());
                assertTrue(vcpu.takeRequest());
            }
        }
    }
}
