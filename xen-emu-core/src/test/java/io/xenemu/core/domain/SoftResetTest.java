package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// What a guest finds after its soft reset.
final class SoftResetTest {
    private static final long SHARED_INFO_GFN = 0x90;
    private static final long VCPU_INFO_GFN = 0x91;
    private static final long KEPT = 0x92_000;
    private static final int VECTOR = 0xf3;
    private static final long BY_VECTOR = 2L << 56 | VECTOR;
    private static final String NOWHERE = "ffffffffffffffff";

    private final FakeVm vm = new FakeVm();
    private final TestDomain guest = new TestDomain(vm, 2);
    private final Domain domain = guest.domain();
    private final Vcpu caller = domain.vcpus().getFirst();

    SoftResetTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    private void reset() {
        domain.suspension().askForSoftReset(caller);
        domain.suspension().awaitSoftReset();
        domain.softReset();
        domain.suspension().endSoftReset();
    }

    @Test
    void domainIsHeldFromTheHypercallUntilTheResetIsDone() {
        domain.suspension().askForSoftReset(caller);
        domain.suspension().suspend(domain.vcpus().get(1));

        assertTrue(domain.suspension().isSoftReset());
        assertFalse(domain.suspension().isSuspended());
        assertTrue(domain.isHeld());
        assertThrows(IllegalStateException.class, domain.suspension()::cancel);
        domain.suspension().awaitSoftReset();
        assertTrue(domain.isHeld());
        domain.suspension().endSoftReset();
        assertFalse(domain.isHeld());
        assertFalse(domain.suspension().isHeld());
        assertThrows(IllegalStateException.class, domain.suspension()::awaitSoftReset);
    }

    @Test
    void noEventChannelIsLeft() throws XenError {
        EventChannels channels = domain.eventChannels();
        EvtchnPort debug = channels.bindVirq(Virq.DEBUG, new VcpuId(1));
        EvtchnPort other = channels.allocUnbound(DomId.SELF, new DomId(2));
        assertEquals(7, channels.pirqs().mapGsi(4, 7).value());
        assertTrue(channels.raiseVcpu(Virq.DEBUG, new VcpuId(1)));

        reset();

        assertEquals(List.of(), channels.save().ports());
        assertFalse(channels.pirqs().isMapped(4));
        assertFalse(channels.raiseVcpu(Virq.DEBUG, new VcpuId(1)));
        assertEquals(debug, channels.bindVirq(Virq.DEBUG, new VcpuId(1)));
        assertEquals(other, channels.allocUnbound(DomId.SELF, DomId.DOM0));
        assertFalse(channels.isPending(debug));
    }

    @Test
    void sharedInfoGoesAndMemoryStays() throws XenError {
        GuestMemory memory = guest.memory();
        memory.write32(KEPT, 42);
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        domain.sharedInfo().page().fill((byte) 1);

        reset();

        assertEquals(42, memory.read32(KEPT));
        assertEquals(0, memory.read32(SHARED_INFO_GFN * GuestMemory.PAGE_SIZE));
        memory.write32(SHARED_INFO_GFN * GuestMemory.PAGE_SIZE, 5);
        assertEquals(-1, domain.memory().overlayOf(SpecialPages.SHARED_INFO));
        assertEquals(-1, domain.sharedInfo().page().mismatch(pageWithTimes((byte) 1)));
        assertEquals("sharedInfoGfn(-1)", vm.calls("sharedInfoGfn").getLast());
        // The next kernel may show it at the same frame.
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        assertEquals(0, memory.read32(SHARED_INFO_GFN * GuestMemory.PAGE_SIZE));
    }

    /// A page of shared_info in which all is 0 but the times of 32 vCPUs.
    private static MemorySegment pageWithTimes(byte filled) {
        byte[] page = new byte[GuestMemory.PAGE_SIZE];
        for (int time = 32; time < 32 * 64; time += 64) {
            Arrays.fill(page, time, time + 32, filled);
        }
        return MemorySegment.ofArray(page);
    }

    @Test
    void areasByPhysicalAddressEnd() throws XenError {
        caller.areas().registerTimePhysical(KEPT);
        caller.areas().registerRunstatePhysical(KEPT + 64, GuestWidth.BITS_64);

        reset();

        assertEquals(VcpuPort.INVALID_GPA, vm.vcpu(0).timeInfo());
        assertEquals(VcpuPort.INVALID_GPA, vm.vcpu(0).runstateArea());
    }

    @Test
    void areasOfVcpusEndAndMayBeRegisteredAgain() throws XenError {
        Vcpu second = domain.vcpus().get(1);
        domain.sharedInfo().map(0, SHARED_INFO_GFN);
        second.areas().registerVcpuInfo(VCPU_INFO_GFN, 0, caller);
        assertTrue(domain.eventChannels().isVcpuInfoRegistered(second.id()));

        reset();

        assertFalse(domain.eventChannels().isVcpuInfoRegistered(second.id()));
        assertFalse(second.areas().hasVcpuInfo());
        assertFalse(caller.areas().hasVcpuInfo());
        assertEquals(
                List.of("vcpuInfo(vcpu0, " + NOWHERE + ")", "vcpuInfo(vcpu1, " + NOWHERE + ")"),
                vm.calls("vcpuInfo").stream().filter(call -> call.contains(NOWHERE)).toList());
        second.areas().registerVcpuInfo(VCPU_INFO_GFN, 64, caller);
        assertTrue(domain.eventChannels().isVcpuInfoRegistered(second.id()));
    }

    @Test
    void callbackAndVectorsEnd() {
        domain.delivery().setCallback(BY_VECTOR, GuestWidth.BITS_64);
        domain.params().set(HvmParams.CALLBACK_IRQ, BY_VECTOR);
        domain.delivery().setUpcallVector(domain.vcpus().get(1), VECTOR);

        reset();

        assertFalse(domain.delivery().isByVector());
        assertEquals(0, domain.params().get(HvmParams.CALLBACK_IRQ));
        assertTrue(vm.calls("upcallVector").contains("upcallVector(vcpu1, 0)"));
        assertEquals("upcallVector(0)", vm.calls("upcallVector").getLast());
    }
}
