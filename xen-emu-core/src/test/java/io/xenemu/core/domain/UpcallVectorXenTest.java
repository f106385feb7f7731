package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.KvmVcpu;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Needs a KVM with Xen support, such as the lab's, which is told of the vectors.
@Timeout(60)
class UpcallVectorXenTest {
    private static final int VECTOR = 0x41;

    /// Linux's callback beside vectors of the vCPUs' own.
    private static final long DUMMY_CALLBACK = 1;

    /// Of the local APIC's registers: the spurious vector's, with its enable bit, and the one of requested interrupts that has
    /// the vector.
    private static final int SPURIOUS = 0xf0;

    private static final int ENABLED = 1 << 8;
    private static final int REQUESTED = 0x200 + VECTOR / 32 * 0x10;

    private static void enableApic(KvmVcpu vcpu) {
        byte[] apic = vcpu.getLapic();
        apic[SPURIOUS] = (byte) 0xff;
        apic[SPURIOUS + 1] = ENABLED >> 8;
        vcpu.setLapic(apic);
    }

    /// Whether the vector has been raised since it was last asked.
    private static boolean takeVector(KvmVcpu vcpu) {
        byte[] apic = vcpu.getLapic();
        int at = REQUESTED + VECTOR % 32 / 8;
        boolean raised = (apic[at] >> VECTOR % 8 & 1) != 0;
        apic[at] = 0;
        vcpu.setLapic(apic);
        return raised;
    }

    @Test
    void newVectorIsRaisedWithoutAnEvent() throws BootException, XenError {
        try (KvmDomain test = KvmDomain.withXen(2)) {
            Vcpu vcpu = test.domain().vcpus().getFirst();
            enableApic(test.vcpu(0));

            test.domain().delivery().setUpcallVector(vcpu, VECTOR);
            assertTrue(takeVector(test.vcpu(0)));
            assertFalse(takeVector(test.vcpu(0)));

            test.domain().delivery().setCallback(DUMMY_CALLBACK, GuestWidth.BITS_64);
            assertTrue(takeVector(test.vcpu(0)));
        }
    }

    @Test
    void apicThatIsNotEnabledTakesNoVector() throws BootException, XenError {
        try (KvmDomain test = KvmDomain.withXen(2)) {
            Vcpu vcpu = test.domain().vcpus().getFirst();

            test.domain().delivery().setUpcallVector(vcpu, VECTOR);
            enableApic(test.vcpu(0));
            test.domain().delivery().retry(vcpu.id());

            assertFalse(takeVector(test.vcpu(0)));
        }
    }
}
