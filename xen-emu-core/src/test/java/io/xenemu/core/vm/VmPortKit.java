package io.xenemu.core.vm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.Gpr;
import io.xenemu.kvm.ioctl.GsiRoute;
import io.xenemu.kvm.ioctl.MpState;
import io.xenemu.kvm.ioctl.Runstate;
import io.xenemu.kvm.ioctl.XenTimer;
import io.xenemu.kvm.memory.EventFd;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.testing.Eventually;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The effects and refusals of every VM behind [VmPort] and [VcpuPort]. A VM of KVM and [FakeVm] pass the same tests,
/// so tests on the fake are valid for KVM.
@Timeout(60)
public abstract class VmPortKit {
    /// A VM with two vCPUs and Xen's interface, to be used by one test.
    public interface Rig extends AutoCloseable {
        /// The VM.
        VmPort vm();

        /// A vCPU.
        VcpuPort vcpu(int number);

        /// KVM_SET_LAPIC.
        void setLapic(int vcpu, byte[] registers);

        /// Signals an eventfd.
        void signal(EventFd eventFd);

        @Override
        void close();
    }

    protected static final VcpuId VCPU0 = new VcpuId(0);
    protected static final VcpuId VCPU1 = new VcpuId(1);

    private static final int PORT = 70;
    private static final int PAGE_SIZE = 4096;
    private static final int PAGES = 16;
    private static final long SHARED_GFN = 3;
    private static final long SHARED = SHARED_GFN * PAGE_SIZE;
    private static final long VCPU_INFO_SIZE = 64;
    private static final long NOWHERE = 0x4000_0000L;
    private static final int GSI = 30;
    private static final int VECTOR = 0x41;
    private static final long MSI_ADDRESS = 0xfee0_0000L;
    private static final int APIC_ENABLED_AT = 0xf1;
    private static final int APIC_IRR = 0x200;

    private final MemFd ram = MemFd.create("kit", (long) PAGES * PAGE_SIZE);
    private final MemorySegment memory = ram.map(0, (long) PAGES * PAGE_SIZE);
    private Rig rig;
    private VmPort vm;
    private VcpuPort vcpu;

    /// Makes a VM, or skips the test.
    protected abstract Rig open();

    @BeforeEach
    void setUp() {
        rig = open();
        vm = rig.vm();
        vcpu = rig.vcpu(0);
        vm.setMemoryRegion(0, 0, new LocalView(memory), memory.byteSize());
    }

    @AfterEach
    void tearDown() {
        // It is null if the test was skipped.
        if (rig != null) {
            rig.close();
        }
        ram.close();
    }

    private static void assertRefused(int errno, Runnable call) {
        KvmException refusal = assertThrows(KvmException.class, call::run);
        assertEquals(Errno.name(errno), Errno.name(refusal.errno()));
    }

    private void mapSharedInfo() {
        vm.sharedInfoGfn(SHARED_GFN);
        vcpu.vcpuInfo(SHARED);
        rig.vcpu(1).vcpuInfo(SHARED + VCPU_INFO_SIZE);
    }

    private long word64(long gpa) {
        return memory.get(ValueLayout.JAVA_LONG, gpa);
    }

    private int word32(long gpa) {
        return memory.get(ValueLayout.JAVA_INT, gpa);
    }

    private boolean isUpcallPending(int number) {
        return memory.get(ValueLayout.JAVA_BYTE, SHARED + number * VCPU_INFO_SIZE) != 0;
    }

    // Event channels.

    @Test
    void portIsAssignedOnce() {
        vm.assignIpi(PORT, VCPU0);
        assertRefused(Errno.EEXIST, () -> vm.assignIpi(PORT, VCPU1));
        assertRefused(Errno.EEXIST, () -> vm.assignLoopback(PORT, 5, VCPU1));
        try (EventFd eventFd = EventFd.create()) {
            assertRefused(Errno.EEXIST, () -> vm.assignEventfd(PORT, eventFd.fd()));
            vm.deassignPort(PORT);
            vm.assignEventfd(PORT, eventFd.fd());
        }
        vm.deassignPort(PORT);
        assertRefused(Errno.ENOENT, () -> vm.deassignPort(PORT));
    }

    @Test
    void portsHaveALimitThatTheWidthSets() {
        assertRefused(Errno.EINVAL, () -> vm.assignIpi(0, VCPU0));
        assertRefused(Errno.EINVAL, () -> vm.assignIpi(4096, VCPU0));
        assertRefused(Errno.EINVAL, () -> vm.assignLoopback(5, 4096, VCPU0));
        vm.assignIpi(4095, VCPU0);
        vm.deassignPort(4095);
        vm.longMode(false);
        assertRefused(Errno.EINVAL, () -> vm.assignIpi(1024, VCPU0));
        assertRefused(Errno.EINVAL, () -> vm.deassignPort(4095));
        vm.assignIpi(1023, VCPU0);
    }

    @Test
    void loopbackIsMovedToAnotherVcpuOnly() {
        assertRefused(Errno.ENOENT, () -> vm.updateLoopback(PORT, 5, VCPU1));
        vm.assignLoopback(PORT, 5, VCPU0);
        vm.updateLoopback(PORT, 5, VCPU1);
        assertRefused(Errno.EINVAL, () -> vm.updateLoopback(PORT, 6, VCPU1));
    }

    @Test
    void resetFreesEveryPort() {
        vm.assignIpi(PORT, VCPU0);
        vm.assignLoopback(5, 6, VCPU0);
        vm.resetPorts();
        vm.assignIpi(PORT, VCPU0);
        vm.assignIpi(5, VCPU0);
    }

    @Test
    void eventNeedsAPlace() {
        assertRefused(Errno.EINVAL, () -> vm.xenEvtchnSend(PORT, VCPU0));
        mapSharedInfo();
        assertRefused(Errno.EINVAL, () -> vm.xenEvtchnSend(0, VCPU0));
        assertRefused(Errno.EINVAL, () -> vm.xenEvtchnSend(4096, VCPU0));
        assertRefused(Errno.EINVAL, () -> vm.xenEvtchnSend(PORT, new VcpuId(9)));
        assertEquals(0, word64(SHARED + 0x808));
    }

    @Test
    void eventIsPendingSelectedAndAnnounced() {
        mapSharedInfo();
        vm.xenEvtchnSend(PORT, VCPU1);
        assertEquals(1 << (PORT - 64), word64(SHARED + 0x808));
        assertEquals(2, word64(SHARED + VCPU_INFO_SIZE + 8));
        assertTrue(isUpcallPending(1));
        assertFalse(isUpcallPending(0));
    }

    @Test
    void eventOfA32BitGuestIsInItsLayout() {
        vm.longMode(false);
        mapSharedInfo();
        vm.xenEvtchnSend(PORT, VCPU0);
        assertEquals(1 << (PORT - 64), word32(SHARED + 0x808));
        assertEquals(4, word32(SHARED + 4));
        assertTrue(isUpcallPending(0));
    }

    @Test
    void maskedEventIsPendingOnly() {
        mapSharedInfo();
        memory.set(ValueLayout.JAVA_LONG, SHARED + 0xa08, -1L);
        vm.xenEvtchnSend(PORT, VCPU0);
        assertEquals(1 << (PORT - 64), word64(SHARED + 0x808));
        assertEquals(0, word64(SHARED + 8));
        assertFalse(isUpcallPending(0));
    }

    @Test
    void vmTakesAndLeavesPolls() {
        vm.servePolls(false);
        vm.servePolls(true);
        mapSharedInfo();
        vm.xenEvtchnSend(PORT, VCPU0);
        assertTrue(isUpcallPending(0));
    }

    @Test
    void pendingEventIsNotAnnouncedAgain() {
        mapSharedInfo();
        memory.set(ValueLayout.JAVA_LONG, SHARED + 0x808, -1L);
        vm.xenEvtchnSend(PORT, VCPU0);
        assertFalse(isUpcallPending(0));
    }

    @Test
    void sharedInfoHasToBeMemoryAndGetsTheWallClock() {
        assertRefused(Errno.EFAULT, () -> vm.sharedInfoGfn(NOWHERE / PAGE_SIZE));
        vm.sharedInfoGfn(SHARED_GFN);
        assertTrue(word32(SHARED + 0xc00) != 0);
        vm.longMode(false);
        assertTrue(word32(SHARED + 0x900) != 0);
    }

    // Areas and the timer of a vCPU.

    @Test
    void vcpuInfoIsAlignedAndInOnePageOfMemory() {
        assertRefused(Errno.ENXIO, () -> vcpu.vcpuInfo(SHARED + 2));
        assertRefused(Errno.EINVAL, () -> vcpu.vcpuInfo(SHARED + PAGE_SIZE - 60));
        assertRefused(Errno.EFAULT, () -> vcpu.vcpuInfo(NOWHERE));
        vcpu.vcpuInfo(SHARED + PAGE_SIZE - 64);
    }

    @Test
    void timeAreaIsInOnePageOfMemory() {
        assertRefused(Errno.EINVAL, () -> vcpu.vcpuTimeInfo(SHARED + PAGE_SIZE - 16));
        assertRefused(Errno.EFAULT, () -> vcpu.vcpuTimeInfo(NOWHERE));
        vcpu.vcpuTimeInfo(SHARED);
        vcpu.vcpuTimeInfo(VcpuPort.INVALID_GPA);
    }

    @Test
    void timerKeepsItsDeadlineUntilItIsOver() {
        mapSharedInfo();
        assertEquals(XenTimer.NONE, vcpu.timer());
        XenTimer later = new XenTimer(PORT, vm.clock() + 3_600_000_000_000L);
        vcpu.timer(later);
        assertEquals(later, vcpu.timer());
        assertFalse(isUpcallPending(0));

        vcpu.timer(new XenTimer(PORT, 1));

        assertEquals(new XenTimer(PORT, 0), vcpu.timer());
        assertTrue(isUpcallPending(0));
    }

    @Test
    void timeBeforeTheFirstRunstateCountsAsOffline() {
        vcpu.runstateCurrent(Runstate.BLOCKED);
        Runstate first = vcpu.runstateData();
        assertEquals(Runstate.BLOCKED, first.state());
        assertTrue(first.stateEntryTime() > 0);
        assertEquals(first.stateEntryTime(), first.timeOffline());
        assertEquals(first.stateEntryTime(), first.total());

        Eventually.holds("time passes", () -> vm.clock() > first.stateEntryTime());
        vcpu.runstateCurrent(Runstate.OFFLINE);
        Runstate next = vcpu.runstateData();
        assertEquals(Runstate.OFFLINE, next.state());
        assertEquals(next.total() - first.total(), next.timeBlocked());
        assertEquals(next.stateEntryTime(), next.total());
        assertRefused(Errno.EINVAL, () -> vcpu.runstateCurrent(4));
    }

    @Test
    void runstateTimesAreMovedAndReplacedButNotIntoTheFuture() {
        vcpu.runstateCurrent(Runstate.OFFLINE);
        Runstate before = vcpu.runstateData();
        vcpu.runstateAdjust(new Runstate(Runstate.UNCHANGED, 0, 0, 0, 5, -5));
        Runstate moved =
                new Runstate(
                        Runstate.OFFLINE,
                        before.stateEntryTime(),
                        0,
                        0,
                        5,
                        before.timeOffline() - 5);
        assertEquals(moved, vcpu.runstateData());
        assertRefused(
                Errno.EINVAL,
                () -> vcpu.runstateAdjust(new Runstate(Runstate.UNCHANGED, 0, 0, 0, 5, 0)));
        long hour = 3_600_000_000_000L;
        assertRefused(
                Errno.EINVAL,
                () -> vcpu.runstateAdjust(new Runstate(Runstate.UNCHANGED, hour, 0, 0, hour, 0)));

        Runstate restored = new Runstate(Runstate.BLOCKED, 10, 1, 2, 3, 4);
        vcpu.runstateData(restored);
        assertEquals(restored, vcpu.runstateData());
        assertRefused(
                Errno.EINVAL,
                () -> vcpu.runstateData(new Runstate(Runstate.BLOCKED, 9, 1, 2, 3, 4)));
        assertRefused(
                Errno.EINVAL,
                () -> vcpu.runstateData(new Runstate(Runstate.BLOCKED, hour, hour, 0, 0, 0)));
    }

    @Test
    void vectorsBeginBehindTheExceptions() {
        assertRefused(Errno.EINVAL, () -> vm.upcallVector(15));
        assertRefused(Errno.EINVAL, () -> vcpu.upcallVector(15));
        vm.upcallVector(16);
        vcpu.upcallVector(16);
        vm.upcallVector(0);
        vcpu.upcallVector(0);
    }

    @Test
    void vcpuIsAsAfterAReset() {
        assertEquals(MpState.RUNNABLE, vcpu.getMpState());
        assertEquals(MpState.UNINITIALIZED, rig.vcpu(1).getMpState());
        assertFalse(vcpu.interruptsEnabled());
        vcpu.setMpState(MpState.HALTED);
        assertEquals(MpState.HALTED, vcpu.getMpState());
        vcpu.setRegs(vcpu.getRegs().set(Gpr.RAX, 5));
        assertEquals(5, vcpu.getRegs().get(Gpr.RAX));
        vcpu.kick();
        vcpu.nmi();
    }

    // Interrupts.

    private void enableApic(int number) {
        byte[] registers = rig.vcpu(number).getLapic();
        registers[APIC_ENABLED_AT] |= 1;
        rig.setLapic(number, registers);
    }

    private boolean isRequested(int number) {
        byte[] registers = rig.vcpu(number).getLapic();
        return (registers[APIC_IRR + VECTOR / 32 * 16 + VECTOR % 32 / 8] >> VECTOR % 8 & 1) != 0;
    }

    @Test
    void messageReachesTheApicThatItNamesIfItIsEnabled() {
        assertFalse(vm.signalMsi(MSI_ADDRESS | 1 << 12, VECTOR));
        enableApic(1);
        assertTrue(vm.signalMsi(MSI_ADDRESS | 1 << 12, VECTOR));
        assertTrue(isRequested(1));
        assertFalse(isRequested(0));
        assertFalse(vm.signalMsi(MSI_ADDRESS | 9 << 12, VECTOR));
    }

    @Test
    void vectorOfAVcpuAnnouncesItsEvents() {
        mapSharedInfo();
        enableApic(0);
        vcpu.upcallVector(VECTOR);
        vm.xenEvtchnSend(PORT, VCPU0);
        assertTrue(isRequested(0));
    }

    @Test
    void eventfdServesOneInterrupt() {
        try (EventFd eventFd = EventFd.create();
                EventFd resample = EventFd.create()) {
            // There is none.
            vm.deassignIrqfd(eventFd.fd(), GSI);
            vm.assignIrqfd(eventFd.fd(), GSI);
            assertRefused(Errno.EBUSY, () -> vm.assignIrqfd(eventFd.fd(), GSI + 1));
            vm.deassignIrqfd(eventFd.fd(), GSI);
            vm.assignResampleIrqfd(eventFd.fd(), 5, resample.fd());
            vm.deassignIrqfd(eventFd.fd(), 5);
        }
    }

    @Test
    void irqfdOfARoutedInterruptRaisesItsEvent() {
        mapSharedInfo();
        vm.setGsiRouting(List.of(new GsiRoute.XenEvtchn(GSI, PORT, VCPU0)));
        try (EventFd eventFd = EventFd.create()) {
            vm.assignIrqfd(eventFd.fd(), GSI);
            rig.signal(eventFd);
            Eventually.holds("the event is pending", () -> isUpcallPending(0));
            vm.deassignIrqfd(eventFd.fd(), GSI);
        }
    }

    @Test
    void routesHaveALimit() {
        GsiRoute route = new GsiRoute.XenEvtchn(GSI, PORT, VCPU0);
        assertRefused(Errno.EINVAL, () -> vm.setGsiRouting(Collections.nCopies(4097, route)));
        vm.irqLine(5, true);
        vm.irqLine(5, false);
    }

    // Memory and time.

    @Test
    void slotsDoNotOverlap() {
        long end = (long) PAGES * PAGE_SIZE;
        MemorySegment page = memory.asSlice(0, PAGE_SIZE);
        assertRefused(
                Errno.EEXIST,
                () -> vm.setMemoryRegion(1, end - PAGE_SIZE, new LocalView(page), page.byteSize()));
        vm.setMemoryRegion(1, end, new LocalView(page), page.byteSize());
        assertRefused(
                Errno.EEXIST,
                () -> vm.setMemoryRegion(2, end, new LocalView(page), page.byteSize()));
        vm.deleteMemoryRegion(1);
        vm.setMemoryRegion(2, end, new LocalView(page), page.byteSize());
        assertRefused(Errno.EINVAL, () -> vm.deleteMemoryRegion(1));
    }

    @Test
    void memoryIsInTheGuestsAddressWidth() {
        MemorySegment page = memory.asSlice(0, PAGE_SIZE);
        assertRefused(
                Errno.EINVAL,
                () -> vm.setMemoryRegion(1, 1L << 52, new LocalView(page), page.byteSize()));
        assertRefused(
                Errno.EINVAL,
                () -> vm.setMemoryRegion(1, PAGE_SIZE / 2, new LocalView(page), page.byteSize()));
    }

    @Test
    void logOfWritesBeginsWithAllPagesAndForgetsWhatIsTakenOut() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bitmap = arena.allocate(ValueLayout.JAVA_LONG, (PAGES + 63) / 64);
            assertRefused(Errno.ENOENT, () -> vm.writtenPages(0, bitmap));
            vm.logWrites(0, 0, new LocalView(memory), true);
            vm.writtenPages(0, bitmap);
            vm.writtenPages(0, bitmap);
            assertEquals(-1L >>> -PAGES, bitmap.get(ValueLayout.JAVA_LONG, 0));
            bitmap.set(ValueLayout.JAVA_LONG, 0, 2);
            vm.forgetWritten(0, 0, PAGES, bitmap);
            vm.writtenPages(0, bitmap);
            assertEquals(-1L >>> -PAGES & ~2, bitmap.get(ValueLayout.JAVA_LONG, 0));
            vm.logWrites(0, 0, new LocalView(memory), false);
            assertRefused(Errno.ENOENT, () -> vm.writtenPages(0, bitmap));
        }
    }

    @Test
    void clockRuns() {
        long before = vm.clock();
        assertTrue(before >= 0);
        Eventually.holds("time passes", () -> vm.clock() > before);
    }

    @Test
    void closedVmIsNotUsed() {
        vm.close();
        assertThrows(IllegalStateException.class, () -> vm.irqLine(5, true));
        vm.close();
    }
}
