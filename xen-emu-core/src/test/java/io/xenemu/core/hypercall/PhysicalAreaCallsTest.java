package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// VCPUOP_register_runstate_phys_area and VCPUOP_register_vcpu_time_phys_area: Xen's checks, and the area that is
/// written when a guest has one of each kind.
final class PhysicalAreaCallsTest {
    private static final int VCPU_OP = 24;
    private static final int VM_ASSIST = 21;
    private static final int REGISTER_TIME = 13;
    private static final int RUNSTATE_PHYS = 14;
    private static final int TIME_PHYS = 15;
    private static final int RUNSTATE_UPDATE_FLAG = 5;
    private static final long NONE = VcpuPort.INVALID_GPA;
    private static final long PAGE = 0x10_0000;
    private static final long LINEAR = 0x11_0040;

    private static final long ARG = TestDomain.ARGUMENT;

    private final FakeVm vm = new FakeVm();
    private final TestDomain guest = TestDomain.ofXenWithRunstates(vm, 4, 19);
    private final GuestMemory memory = guest.memory();
    private final HypercallDispatcher dispatcher = guest.dispatcher();
    private final HypercallContext wide = guest.caller(0, true);
    private final HypercallContext narrow = guest.caller(0, false);

    PhysicalAreaCallsTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
    }

    private long call(int number, long... parameters) {
        return CallingGuest.call(dispatcher, wide, number, parameters);
    }

    private long register(HypercallContext caller, int operation, int vcpu, long address)
            throws XenError {
        memory.write64(ARG, address);
        return CallingGuest.call(dispatcher, caller, VCPU_OP, operation, vcpu, ARG);
    }

    private long register(int operation, long address) throws XenError {
        return register(wide, operation, 0, address);
    }

    /// The address that KVM writes.
    private long written(int vcpu, int operation) {
        return operation == TIME_PHYS || operation == REGISTER_TIME
                ? vm.vcpu(vcpu).timeInfo()
                : vm.vcpu(vcpu).runstateArea();
    }

    @ParameterizedTest
    @CsvSource({
        "14, 0, 0",
        "14, 4048, 0",
        // Across pages: 48 bytes.
        "14, 4056, -6",
        // Not aligned to 8 bytes.
        "14, 4, -6",
        "14, 4052, -6",
        "15, 4064, 0",
        // 32 bytes.
        "15, 4072, -6",
        "15, 4060, -6",
    })
    void areaIsInOnePageAndAligned(int operation, int at, long expected) throws XenError {
        assertEquals(expected, register(operation, PAGE + at));
        assertEquals(expected == 0 ? PAGE + at : NONE, written(0, operation));
    }

    @ParameterizedTest
    @CsvSource({
        "bfef0000, -22",
        // Beyond what a processor addresses. Crossing a page comes first.
        "4000000000000000, -22",
        "4000000000000ff8, -6",
        // The end of the address space.
        "ffffffffffffffd0, -22",
        "fffffffffffffff8, -6",
    })
    void areaIsInRam(String address, long expected) throws XenError {
        long gpa = Long.parseUnsignedLong(address, 16);
        for (int operation : new int[] {RUNSTATE_PHYS, TIME_PHYS}) {
            assertEquals(expected, register(operation, gpa));
            assertEquals(NONE, written(0, operation));
        }
    }

    @ParameterizedTest
    @CsvSource({
        // The alignment is the domain's, the size the caller's: 44 bytes for a 32-bit caller.
        "BITS_64, false, 4048, 0",
        "BITS_64, false, 4052, -6",
        "BITS_32, false, 4052, 0",
        "BITS_32, false, 4056, -6",
        "BITS_32, false, 2, -6",
        "BITS_32, true, 4052, -6",
        "BITS_32, true, 4044, 0",
    })
    void runstateAreaHasTheCallersSize(GuestWidth domain, boolean wideCaller, int at, long expected)
            throws XenError {
        guest.domain().sharedInfo().latchWidth(domain);

        assertEquals(expected, register(wideCaller ? wide : narrow, RUNSTATE_PHYS, 0, PAGE + at));
    }

    @ParameterizedTest
    @ValueSource(ints = {RUNSTATE_PHYS, TIME_PHYS})
    void vcpuThenArgumentThenAddressIsLookedAt(int operation) throws XenError {
        assertEquals(-2, call(VCPU_OP, operation, 2, CallingGuest.NOWHERE));
        assertEquals(-14, call(VCPU_OP, operation, 1, CallingGuest.NOWHERE));
        assertEquals(-6, register(wide, operation, 1, PAGE + 4092));
        assertEquals(0, register(narrow, operation, 1, PAGE));
        assertEquals(PAGE, written(1, operation));
        assertEquals(NONE, written(0, operation));
    }

    /// The address has 64 bits for a 32-bit caller too.
    @Test
    void addressAbove4GiBIsNotCutOff() throws XenError {
        assertEquals(-22, register(narrow, TIME_PHYS, 0, 1L << 32 | PAGE));
        assertEquals(0, register(narrow, TIME_PHYS, 0, NONE));
        assertEquals(-22, register(narrow, TIME_PHYS, 0, 0xffff_ffe0L));
    }

    @ParameterizedTest
    @CsvSource({"5, 14", "13, 15"})
    void areaByLinearAddressRestsMeanwhile(int linear, int physical) throws XenError {
        assertEquals(0, register(linear, LINEAR));
        assertEquals(LINEAR, written(0, linear));

        assertEquals(0, register(physical, PAGE));
        assertEquals(PAGE, written(0, linear));
        assertEquals(0, register(linear, LINEAR + 64));
        assertEquals(PAGE, written(0, linear));

        assertEquals(0, register(physical, NONE));
        assertEquals(LINEAR + 64, written(0, linear));
        assertEquals(0, register(linear, 0));
        assertEquals(NONE, written(0, linear));
    }

    @ParameterizedTest
    @ValueSource(ints = {RUNSTATE_PHYS, TIME_PHYS})
    void secondAreaByPhysicalAddressReplacesTheFirst(int operation) throws XenError {
        assertEquals(0, register(operation, PAGE));
        assertEquals(0, register(operation, PAGE + 4096));
        assertEquals(PAGE + 4096, written(0, operation));

        assertEquals(-6, register(operation, PAGE + 1));
        assertEquals(PAGE + 4096, written(0, operation));
    }

    /// Xen's reader of such an area relies on the mark, whatever vm_assist says.
    @Test
    void runstateAreaByPhysicalAddressIsMarkedWhileItIsWritten() throws XenError {
        assertEquals(0, register(TIME_PHYS, PAGE));
        assertEquals(0, register(RUNSTATE_PHYS, NONE));
        assertEquals(List.of(), vm.calls("runstateUpdateFlag"));

        assertEquals(0, register(RUNSTATE_PHYS, PAGE + 64));
        assertEquals(0, call(VM_ASSIST, 1, RUNSTATE_UPDATE_FLAG));

        assertEquals(
                List.of("runstateUpdateFlag(true)", "runstateUpdateFlag(true)"),
                vm.calls("runstateUpdateFlag"));
    }

    @ParameterizedTest
    @CsvSource({"4, 17, -38, -38", "4, 18, 0, 0"})
    void areasByPhysicalAddressAreOfferedSince418(int major, int minor, long runstate, long time)
            throws BootException, XenError {
        try (TestDomain old = TestDomain.ofXenWithRunstates(new FakeVm(), major, minor)) {
            assertOffered(old, runstate, time);
        }
    }

    @Test
    void hostThatDoesNotAccountRunstatesOffersNoAreaOfThem() throws BootException, XenError {
        try (TestDomain other = TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 19)) {
            assertOffered(other, -38, 0);
        }
    }

    private static void assertOffered(TestDomain domain, long runstate, long time) throws XenError {
        domain.memory().write64(ARG, PAGE);
        HypercallDispatcher server = domain.dispatcher();
        HypercallContext caller = domain.caller(0, true);
        assertEquals(runstate, CallingGuest.call(server, caller, VCPU_OP, RUNSTATE_PHYS, 0, ARG));
        assertEquals(time, CallingGuest.call(server, caller, VCPU_OP, TIME_PHYS, 0, ARG));
        assertEquals(-2, CallingGuest.call(server, caller, VCPU_OP, RUNSTATE_PHYS, 2, ARG));
    }
}
