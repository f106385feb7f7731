package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.XenError;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class HypercallContextTest {
    private static final long FIRST_PAGE = 0x8_8000;
    private static final long SECOND_PAGE = 0x8_9000;
    private static final int XEN_VERSION = 17;

    private final TestDomain guest = new TestDomain(1);
    private final HypercallContext call = guest.caller(0, true);

    HypercallContextTest() throws BootException, XenError {
        guest.memory().write32(FIRST_PAGE, 1);
        guest.memory().write32(SECOND_PAGE, 2);
        guest.mapArgument(FIRST_PAGE);
    }

    @AfterEach
    void close() {
        guest.close();
    }

    @Test
    void eachHypercallSeesThePageTablesAsTheyAreThen() throws XenError {
        assertEquals(1, firstWordOfACall());

        guest.mapArgument(SECOND_PAGE);
        call.begin(XEN_VERSION, 0);
        assertEquals(2, firstWordOfACall());

        guest.mapArgument(FIRST_PAGE);
        assertEquals(1, firstWordOfACall());
    }

    private int firstWordOfACall() throws XenError {
        call.begin(XEN_VERSION, 0);
        return call.argument().linear().read32(TestDomain.ARGUMENT);
    }
}
