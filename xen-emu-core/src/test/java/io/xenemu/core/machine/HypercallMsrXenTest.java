package io.xenemu.core.machine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.KvmDomain;
import io.xenemu.core.domain.MsrWriter;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The MSR's change of the width. Needs a KVM with Xen support, such as the lab's, since KVM has to agree on the width.
@Timeout(60)
final class HypercallMsrXenTest {
    private static final long PAGE = 0x9000;

    @Test
    void writeFillsThePageAndLatchesTheWidth() throws BootException, XenError {
        try (KvmDomain kvm = KvmDomain.withXen(1, EventChannelConfig.DEFAULT)) {
            assertEquals(MsrWriter.Arrival.WRITTEN, new MsrWriter(kvm).write(PAGE));
            assertEquals(0xb8, kvm.test().memory().read8(PAGE));
            assertEquals(0x0b0f, kvm.test().memory().read16(PAGE + 23 * 32));
            assertEquals(GuestWidth.BITS_32, kvm.domain().sharedInfo().width());
            assertEquals(false, kvm.isLongMode());
        }
    }
}
