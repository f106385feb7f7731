package io.xenemu.kvm.ioctl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.memory.MemFd;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// Needs a KVM with Xen support: what its table of outbound ports, its routes and its attributes refuse.
final class XenPortTableTest {
    private static final VcpuId VCPU0 = new VcpuId(0);
    private static final int LAST_WIDE = 4095;
    private static final int LAST_NARROW = 1023;
    private static final int FAR = 1 << 20;

    private static void assertRefused(int errno, Executable executable) {
        assertEquals(errno, assertThrows(KvmException.class, executable).errno());
    }

    @Test
    void portIsAssignedOnce() {
        try (XenGuest guest = XenGuest.wide();
                EventFd fd = EventFd.create()) {
            XenHvmAttributes xen = guest.vm.xen();
            xen.assignIpi(20, VCPU0);
            assertRefused(Errno.EEXIST, () -> xen.assignIpi(20, VCPU0));
            assertRefused(Errno.EEXIST, () -> xen.assignLoopback(20, 21, VCPU0));
            assertRefused(Errno.EEXIST, () -> xen.assignEventfd(20, fd.fd()));
            xen.deassign(20);
            xen.assignEventfd(20, fd.fd());
        }
    }

    @Test
    void unassignedPortIsNeitherUpdatedNorDeassigned() {
        try (XenGuest guest = XenGuest.wide()) {
            XenHvmAttributes xen = guest.vm.xen();
            assertRefused(Errno.ENOENT, () -> xen.updateIpi(20, VCPU0));
            assertRefused(Errno.ENOENT, () -> xen.deassign(20));
            xen.assignIpi(20, VCPU0);
            xen.deassign(20);
            assertRefused(Errno.ENOENT, () -> xen.deassign(20));
        }
    }

    @Test
    void updateChangesNothingButTheVcpu() {
        try (XenGuest guest = XenGuest.wide();
                EventFd fd = EventFd.create()) {
            XenHvmAttributes xen = guest.vm.xen();
            xen.assignIpi(20, VCPU0);
            xen.assignLoopback(21, 15, VCPU0);
            xen.assignEventfd(22, fd.fd());
            xen.updateIpi(20, new VcpuId(7));
            assertRefused(Errno.EINVAL, () -> xen.updateLoopback(20, 20, VCPU0));
            assertRefused(Errno.EINVAL, () -> xen.updateLoopback(21, 16, VCPU0));
            assertRefused(Errno.EINVAL, () -> xen.updateLoopback(22, 15, VCPU0));
        }
    }

    @Test
    void portsAreThoseOfTheWidth() {
        try (XenGuest guest = XenGuest.wide()) {
            XenHvmAttributes xen = guest.vm.xen();
            xen.assignIpi(LAST_WIDE, VCPU0);
            xen.deassign(LAST_WIDE);
            for (int port : List.of(0, LAST_WIDE + 1, FAR)) {
                assertRefused(Errno.EINVAL, () -> xen.assignIpi(port, VCPU0));
                assertRefused(Errno.EINVAL, () -> xen.deassign(port));
            }
            assertRefused(Errno.EINVAL, () -> xen.assignLoopback(20, LAST_WIDE + 1, VCPU0));
            xen.longMode(false);
            xen.assignIpi(LAST_NARROW, VCPU0);
            assertRefused(Errno.EINVAL, () -> xen.assignIpi(LAST_NARROW + 1, VCPU0));
        }
    }

    @Test
    void descriptorThatIsNoEventfdIsRefused() {
        try (XenGuest guest = XenGuest.wide();
                MemFd file = MemFd.create("file", XenGuest.PAGE)) {
            XenHvmAttributes xen = guest.vm.xen();
            assertRefused(Errno.EINVAL, () -> xen.assignEventfd(20, file.fd()));
            assertRefused(Errno.EBADF, () -> xen.assignEventfd(20, FAR));
        }
    }

    @Test
    void resetEmptiesTheTableAndAnEmptyOneToo() {
        try (XenGuest guest = XenGuest.wide();
                EventFd fd = EventFd.create()) {
            XenHvmAttributes xen = guest.vm.xen();
            xen.resetEvtchns();
            xen.assignIpi(20, VCPU0);
            xen.assignEventfd(21, fd.fd());
            xen.resetEvtchns();
            assertRefused(Errno.ENOENT, () -> xen.deassign(20));
            assertRefused(Errno.ENOENT, () -> xen.deassign(21));
        }
    }

    @Test
    void sendIoctlRefusesEventsThatCannotBeDelivered() {
        try (XenGuest guest = XenGuest.wide()) {
            assertRefused(Errno.EINVAL, () -> guest.vm.xenEvtchnSend(15, VCPU0));
            guest.listen();
            guest.vm.xenEvtchnSend(15, VCPU0);
            guest.vm.xenEvtchnSend(15, VCPU0);
            for (int port : List.of(0, LAST_WIDE + 1)) {
                assertRefused(Errno.EINVAL, () -> guest.vm.xenEvtchnSend(port, VCPU0));
            }
            assertRefused(Errno.EINVAL, () -> guest.vm.xenEvtchnSend(15, new VcpuId(1)));
        }
    }

    @Test
    void eventfdIsAnIrqfdOfAVmOnce() {
        try (XenGuest guest = XenGuest.wide();
                EventFd fd = EventFd.create()) {
            guest.vm
                    .events()
                    .setGsiRouting(
                            List.of(
                                    new GsiRoute.XenEvtchn(32, 15, VCPU0),
                                    new GsiRoute.XenEvtchn(33, 66, VCPU0)));
            guest.vm.events().assignIrqfd(fd.fd(), 32);
            assertRefused(Errno.EBUSY, () -> guest.vm.events().assignIrqfd(fd.fd(), 33));
        }
    }
}
