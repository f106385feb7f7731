package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.core.domain.MsrWriter;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The MSR's effects without a change of the width, which `HypercallMsrXenTest` tests. Needs /dev/kvm.
@Timeout(60)
class HypercallMsrTest {
    private static final long PAGE = 0x9000;
    private static final long NO_MEMORY = 0x7000_0000;

    private final KvmDomain kvm = new KvmDomain(1);
    private final TestDomain test = kvm.test();
    private final MsrWriter guest = new MsrWriter(kvm);

    HypercallMsrTest() throws BootException, XenError {}

    @BeforeEach
    void trap() {
        kvm.vm().trapMsr(CpuConfig.DEFAULT.hypercallMsr());
    }

    @AfterEach
    void close() {
        kvm.close();
    }

    @Test
    void theMsrReadsAsZero() throws XenError {
        assertEquals(0, guest.read());
    }

    @Test
    void secondHypercallPageIsAGeneralProtectionFault() throws XenError {
        assertEquals(MsrWriter.Arrival.GENERAL_PROTECTION, guest.write(PAGE + 1));
        assertEquals(0, test.memory().read32(PAGE));
    }

    @Test
    void pageOutsideOfMemoryIsAGeneralProtectionFault() throws XenError {
        assertEquals(MsrWriter.Arrival.GENERAL_PROTECTION, guest.write(NO_MEMORY));
        assertEquals(GuestWidth.BITS_64, test.domain().sharedInfo().width());
    }
}
