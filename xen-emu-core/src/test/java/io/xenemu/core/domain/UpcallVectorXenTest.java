package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/// The VM is told of the vectors.
@Timeout(60)
@ParameterizedClass
@EnumSource(VmDomain.Kind.class)
class UpcallVectorXenTest {
    private static final int VECTOR = 0x41;

    /// The callback that Linux sets if vCPUs have vectors of their own.
    private static final long DUMMY_CALLBACK = 1;

    /// Registers of the local APIC: the spurious vector's with its enable bit, and the word of requested interrupts
    /// that has the vector.
    private static final int SPURIOUS = 0xf0;

    private static final int ENABLED = 1 << 8;
    private static final int REQUESTED = 0x200 + VECTOR / 32 * 0x10;

    private final VmDomain.Kind vm;

    UpcallVectorXenTest(VmDomain.Kind vm) {
        this.vm = vm;
    }

    private static byte[] lapic(VmDomain test) {
        return test.domain().vcpus().getFirst().port().getLapic();
    }

    private static void enableApic(VmDomain test) {
        byte[] apic = lapic(test);
        apic[SPURIOUS] = (byte) 0xff;
        apic[SPURIOUS + 1] = ENABLED >> 8;
        test.setLapic(0, apic);
    }

    /// Whether the vector has been raised since it was last asked.
    private static boolean takeVector(VmDomain test) {
        byte[] apic = lapic(test);
        int at = REQUESTED + VECTOR % 32 / 8;
        boolean raised = (apic[at] >> VECTOR % 8 & 1) != 0;
        apic[at] = 0;
        test.setLapic(0, apic);
        return raised;
    }

    @Test
    void newVectorIsRaisedWithoutAnEvent() throws BootException, XenError {
        try (VmDomain test = vm.open(2)) {
            Vcpu vcpu = test.domain().vcpus().getFirst();
            enableApic(test);

            test.domain().delivery().setUpcallVector(vcpu, VECTOR);
            assertTrue(takeVector(test));
            assertFalse(takeVector(test));

            test.domain().delivery().setCallback(DUMMY_CALLBACK, GuestWidth.BITS_64);
            assertTrue(takeVector(test));
        }
    }

    @Test
    void disabledApicRefusesTheVector() throws BootException, XenError {
        try (VmDomain test = vm.open(2)) {
            Vcpu vcpu = test.domain().vcpus().getFirst();

            test.domain().delivery().setUpcallVector(vcpu, VECTOR);
            enableApic(test);
            test.domain().delivery().retry(vcpu.id());

            assertFalse(takeVector(test));
        }
    }
}
