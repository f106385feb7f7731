package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.vm.VcpuPort;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.LinearMemory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/// The VM is told of the areas.
@Timeout(60)
@ParameterizedClass
@EnumSource(VmDomain.Kind.class)
class VcpuAreasXenTest {
    private static final long GFN = 0x100;
    private static final long AREA = 0x10_1000;

    /// Beyond the page tables.
    private static final long NOWHERE = 0x4000_0000;

    private final VmDomain.Kind vm;

    VcpuAreasXenTest(VmDomain.Kind vm) {
        this.vm = vm;
    }

    private static Vcpu vcpu(VmDomain test) {
        return test.domain().vcpus().getFirst();
    }

    private static XenError refused(VmDomain test, long offset) {
        Vcpu vcpu = vcpu(test);
        return assertThrows(XenError.class, () -> vcpu.areas().registerVcpuInfo(GFN, offset, vcpu));
    }

    @Test
    void secondVcpuInfoIsRefusedBeforeItsPlaceIsChecked() throws BootException, XenError {
        try (VmDomain test = vm.open(1)) {
            vcpu(test).areas().registerVcpuInfo(GFN, 0, vcpu(test));

            assertSame(XenError.EBUSY, refused(test, 0));
            assertSame(XenError.EBUSY, refused(test, 1));
            assertSame(XenError.EINVAL, refused(test, 4096));
        }
    }

    @Test
    void vcpuInfoOfANarrowDomainIsAlignedToFourBytes() throws BootException, XenError {
        try (VmDomain test = vm.open(1)) {
            assertSame(XenError.ENXIO, refused(test, 4));

            test.domain().sharedInfo().latchWidth(GuestWidth.BITS_32);

            assertSame(XenError.ENXIO, refused(test, 2));
            vcpu(test).areas().registerVcpuInfo(GFN, 4, vcpu(test));
        }
    }

    @Test
    void timeAreaEndsWithANullOrUnmappedAddress() throws BootException, XenError {
        try (VmDomain test = vm.open(1)) {
            LinearMemory linear = test.test().caller(0, true).argument().linear();
            for (long end : new long[] {0, NOWHERE}) {
                vcpu(test).areas().registerTime(linear, AREA);
                assertEquals(AREA, test.timeInfo(0));

                vcpu(test).areas().registerTime(linear, end);
                assertEquals(VcpuPort.INVALID_GPA, test.timeInfo(0));
            }
        }
    }

    @Test
    void timeAreaByPhysicalAddressIsWrittenInsteadOfTheOther() throws BootException, XenError {
        try (VmDomain test = vm.open(1)) {
            LinearMemory linear = test.test().caller(0, true).argument().linear();
            vcpu(test).areas().registerTime(linear, AREA);

            vcpu(test).areas().registerTimePhysical(AREA + 4096);
            assertEquals(AREA + 4096, test.timeInfo(0));

            vcpu(test).areas().registerTimePhysical(VcpuPort.INVALID_GPA);
            assertEquals(AREA, test.timeInfo(0));
        }
    }
}
