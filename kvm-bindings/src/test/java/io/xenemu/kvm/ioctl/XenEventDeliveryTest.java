package io.xenemu.kvm.ioctl;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.memory.MemFd;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs a KVM with Xen support: the ways by which an event reaches a running guest. The behaviours are those that the
/// kernel's own test of its Xen support looks at.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class XenEventDeliveryTest {
    private static final VcpuId VCPU0 = new VcpuId(0);
    private static final VcpuId VCPU1 = new VcpuId(1);
    private static final int GSI_15 = 32;
    private static final int GSI_66 = 33;
    private static final int RACES = 500;

    /// Where memory may be added.
    private static final long ELSEWHERE = 0x4000_0000L;

    /// GSI 32 leads to port 15, GSI 33 to port 66.
    private static XenGuest routed(EventFd to15, EventFd to66) {
        XenGuest guest = XenGuest.listening();
        guest.vm
                .events()
                .setGsiRouting(
                        List.of(
                                new GsiRoute.XenEvtchn(GSI_15, 15, VCPU0),
                                new GsiRoute.XenEvtchn(GSI_66, 66, VCPU0)));
        guest.vm.events().assignIrqfd(to15.fd(), GSI_15);
        guest.vm.events().assignIrqfd(to66.fd(), GSI_66);
        return guest;
    }

    @Test
    void upcallPendingSetByHandInterruptsOnEntry() {
        try (XenGuest guest = XenGuest.listening()) {
            assertFalse(guest.isInterrupted());
            guest.memory.set(JAVA_BYTE, XenGuest.VCPU_INFO, (byte) 1);
            assertTrue(guest.isInterrupted());
            assertFalse(guest.isInterrupted());
        }
    }

    @Test
    void irqfdOfMaskedPortSetsPendingAndDoesNotInterrupt() {
        try (EventFd to15 = EventFd.create();
                EventFd to66 = EventFd.create();
                XenGuest guest = routed(to15, to66)) {
            guest.mask(15, true);
            to15.signal();
            TinyVm.await(() -> guest.isPending(15));
            assertFalse(guest.isInterrupted());
        }
    }

    @Test
    void irqfdOfUnmaskedPortInterrupts() {
        try (EventFd to15 = EventFd.create();
                EventFd to66 = EventFd.create();
                XenGuest guest = routed(to15, to66)) {
            to66.signal();
            guest.awaitEvent(66);
            assertFalse(guest.isPending(15));
        }
    }

    @Test
    void irqfdStillInterruptsAfterMemoryWasAdded() {
        try (EventFd to15 = EventFd.create();
                EventFd to66 = EventFd.create();
                XenGuest guest = routed(to15, to66);
                MemFd more = MemFd.create("more", XenGuest.PAGE)) {
            guest.vm.setMemoryRegion(1, 0, ELSEWHERE, more.map(0, XenGuest.PAGE));
            to15.signal();
            guest.awaitEvent(15);
        }
    }

    @Test
    void sendIoctlInterruptsTheGuest() {
        try (XenGuest guest = XenGuest.listening()) {
            guest.vm.xenEvtchnSend(66, VCPU0);
            guest.awaitEvent(66);
        }
    }

    @Test
    void sharedInfoMayBeSetByFrameToo() {
        try (XenGuest guest = XenGuest.listening()) {
            guest.vm.xen().sharedInfoHva(MemorySegment.NULL);
            guest.vm.xen().sharedInfoGfn(XenGuest.SHARED_INFO / XenGuest.PAGE);
            guest.vm.xenEvtchnSend(66, VCPU0);
            guest.awaitEvent(66);
        }
    }

    @Test
    void eventsReachThePageThatReplacedSharedInfo() {
        try (EventFd to15 = EventFd.create();
                EventFd to66 = EventFd.create();
                XenGuest guest = routed(to15, to66);
                MemFd other = MemFd.create("other", XenGuest.PAGE)) {
            to15.signal();
            guest.awaitEvent(15);
            MemorySegment page = guest.memory.asSlice(XenGuest.SHARED_INFO, XenGuest.PAGE);
            MemorySegment replacement = other.map(0, XenGuest.PAGE);
            replacement.copyFrom(page);
            other.mapFixed(0, page);
            to15.signal();
            assertEquals(XenGuest.UPCALL, guest.awaitUpcall(guest.vcpu()));
            assertEquals(1L << 15, replacement.get(JAVA_LONG, 0x800));
        }
    }

    @Test
    void sendOnLoopbackPortLeavesToUserSpaceUntilItsVcpuExists() {
        try (XenGuest guest = XenGuest.listening()) {
            guest.vm.xen().assignLoopback(127, 15, VCPU1);
            guest.memory.set(JAVA_INT, XenGuest.ARGUMENT, 127);
            KvmRun exit = guest.hypercallExit(guest.vcpu(), 32, 4, XenGuest.ARGUMENT);
            exit.xenResult(0);
            assertEquals(XenGuest.DONE, guest.run(guest.vcpu()));
            guest.vm.xen().updateLoopback(127, 15, VCPU0);
            assertEquals(0, guest.send(127));
            guest.awaitEvent(15);
        }
    }

    @Test
    void loopbackStillInterruptsAfterMemoryWasAdded() {
        try (XenGuest guest = XenGuest.listening();
                MemFd more = MemFd.create("more", XenGuest.PAGE)) {
            guest.vm.xen().assignLoopback(127, 15, VCPU0);
            assertEquals(0, guest.send(127));
            guest.awaitEvent(15);
            guest.vm.setMemoryRegion(1, 0, ELSEWHERE, more.map(0, XenGuest.PAGE));
            assertEquals(0, guest.send(127));
            guest.awaitEvent(15);
        }
    }

    @Test
    void sendToAnEventfdThatIsAnIrqfdInterrupts() {
        try (EventFd to15 = EventFd.create();
                EventFd to66 = EventFd.create();
                XenGuest guest = routed(to15, to66)) {
            guest.vm.xen().assignEventfd(197, to66.fd());
            assertEquals(0, guest.send(197));
            guest.awaitEvent(66);
        }
    }

    @Test
    void sendToAnIrqfdOfAnotherVmInterruptsItsGuest() {
        try (EventFd to15 = EventFd.create();
                EventFd to66 = EventFd.create();
                XenGuest receiver = routed(to15, to66);
                XenGuest sender = XenGuest.listening()) {
            sender.vm.xen().assignEventfd(9, to66.fd());
            assertEquals(0, sender.send(9));
            receiver.awaitEvent(66);
            assertFalse(sender.isPending(9));
        }
    }

    @Test
    void eventsAreAnnouncedInAVcpuInfoThatIsSetByAddress() {
        try (XenGuest guest = XenGuest.listening()) {
            guest.vcpu().xen().vcpuInfoHva(guest.memory.asSlice(XenGuest.VCPU_INFO, 64));
            guest.vm.xenEvtchnSend(66, VCPU0);
            guest.awaitEvent(66);
        }
    }

    /// An event that is sent while shared_info is off may get lost or be refused. One that is sent afterwards may not.
    @Test
    void sendsSurviveSharedInfoGoingAndComing() throws Exception {
        try (XenGuest guest = XenGuest.listening()) {
            MemorySegment page = guest.memory.asSlice(XenGuest.SHARED_INFO, XenGuest.PAGE);
            AtomicBoolean stop = new AtomicBoolean();
            FutureTask<Void> toggling =
                    new FutureTask<>(() -> toggle(guest.vm.xen(), page, stop), null);
            Thread.ofPlatform().start(toggling);
            try {
                for (int i = 0; i < RACES; i++) {
                    sendWhileItIsOff(guest);
                }
            } finally {
                stop.set(true);
            }
            toggling.get();
            guest.isInterrupted();
            guest.takePending(66);
            guest.vm.xenEvtchnSend(66, VCPU0);
            guest.awaitEvent(66);
        }
    }

    private static void sendWhileItIsOff(XenGuest guest) {
        try {
            guest.vm.xenEvtchnSend(66, VCPU0);
        } catch (KvmException e) {
            // shared_info is off.
            return;
        }
    }

    private static void toggle(XenHvmAttributes xen, MemorySegment page, AtomicBoolean stop) {
        while (!stop.get()) {
            xen.sharedInfoHva(MemorySegment.NULL);
            xen.sharedInfoGfn(XenGuest.SHARED_INFO / XenGuest.PAGE);
            xen.sharedInfoGfn(XenHvmAttributes.INVALID_GFN);
            xen.sharedInfoHva(page);
        }
    }

    @Test
    void guestOf32BitsGetsEventsInItsOwnLayout() {
        try (XenGuest guest = new XenGuest(false, 1).listen()) {
            guest.vm.xenEvtchnSend(66, VCPU0);
            assertEquals(1 << 2, guest.memory.get(JAVA_INT, XenGuest.SHARED_INFO + 0x808));
            assertEquals(1 << 2, guest.memory.get(JAVA_INT, XenGuest.VCPU_INFO + 4));
            guest.awaitEvent(66);
            guest.mask(66, true);
            guest.vm.xenEvtchnSend(66, VCPU0);
            assertTrue(guest.isPending(66));
            assertFalse(guest.isInterrupted());
            guest.vm.xen().assignLoopback(1023, 15, VCPU0);
            assertEquals(0, guest.send(1023));
            guest.awaitEvent(15);
        }
    }

    @Test
    void vcpuVectorComesThroughTheLocalApic() {
        try (XenGuest guest = XenGuest.listening()) {
            guest.vm.xen().upcallVector(0);
            guest.vcpu().xen().upcallVector(XenGuest.VCPU_VECTOR);
            guest.enableApic(guest.vcpu());
            for (int i = 0; i < 2; i++) {
                guest.vm.xenEvtchnSend(66, VCPU0);
                assertEquals(XenGuest.VCPU_UPCALL, guest.awaitUpcall(guest.vcpu()));
                assertTrue(guest.takePending(66));
                // Ends the interrupt.
                assertEquals(XenGuest.NO_INTERRUPT, guest.endHandler(guest.vcpu()));
            }
        }
    }

    /// An upcall to a vCPU whose local APIC is off has to be repeated by user space: the kernel does not repeat it
    /// while the selector bit is set.
    @Test
    void vcpuVectorIsLostWhileTheLocalApicIsOff() {
        try (XenGuest guest = XenGuest.listening()) {
            guest.vm.xen().upcallVector(0);
            guest.vcpu().xen().upcallVector(XenGuest.VCPU_VECTOR);
            guest.vm.xenEvtchnSend(66, VCPU0);
            guest.enableApic(guest.vcpu());
            guest.vm.xenEvtchnSend(67, VCPU0);
            assertFalse(guest.isInterrupted());
            guest.vm.xenEvtchnSend(129, VCPU0);
            assertTrue(guest.isInterrupted(), "another selector bit");
        }
    }

    @Test
    void eventsGoToTheVcpuThatTheyAreRoutedTo() {
        try (XenGuest guest = new XenGuest(true, 2).listen();
                EventFd fd = EventFd.create()) {
            KvmVcpu second = guest.vcpus.get(1);
            guest.vm.events().setGsiRouting(List.of(new GsiRoute.XenEvtchn(GSI_15, 15, VCPU1)));
            guest.vm.events().assignIrqfd(fd.fd(), GSI_15);
            fd.signal();
            assertEquals(XenGuest.UPCALL, guest.awaitUpcall(second));
            assertFalse(guest.isInterrupted());
            assertTrue(guest.takePending(15));
            guest.vm.events().setGsiRouting(List.of(new GsiRoute.XenEvtchn(GSI_15, 15, VCPU0)));
            fd.signal();
            guest.awaitEvent(15);
            assertFalse(guest.isInterrupted(second));
        }
    }

    @Test
    void ipisInterruptAnotherVcpu() {
        try (XenGuest guest = new XenGuest(true, 2).listen()) {
            KvmVcpu second = guest.vcpus.get(1);
            guest.vm.xen().assignIpi(20, VCPU1);
            assertEquals(0, guest.send(20));
            assertFalse(guest.isInterrupted());
            assertEquals(XenGuest.UPCALL, guest.awaitUpcall(second));
            assertTrue(guest.takePending(20));
            guest.vm.xen().updateIpi(20, VCPU0);
            assertEquals(0, guest.send(20));
            guest.awaitEvent(20);
        }
    }
}
