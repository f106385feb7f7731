package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EvtchnOptions;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Answers of xen_version, which depend on the release of Xen that the guest sees.
final class VersionCallsTest {
    private static final int XEN_VERSION = 17;
    private static final int PLATFORM_PARAMETERS = 5;
    private static final int GET_FEATURES = 6;
    private static final int COMMANDLINE = 9;
    private static final long ARG = TestDomain.ARGUMENT;
    private static final int NOT_WRITTEN = 0x5a;
    private static final EventChannelConfig WITH_PIRQS =
            new EventChannelConfig(false, EvtchnOptions.UNLIMITED, true);

    private static long call(TestDomain guest, boolean longMode, int command) {
        HypercallContext caller = guest.caller(0, longMode);
        caller.begin(XEN_VERSION, 0);
        caller.setParameter(0, command);
        caller.setParameter(1, ARG);
        return guest.dispatcher().dispatch(caller);
    }

    @ParameterizedTest
    @CsvSource({
        "3, 4, 0x002305",
        "4, 15, 0x002305",
        "4, 16, 0x012305",
        "4, 17, 0x012305",
        "4, 18, 0x092305",
        "4, 19, 0x192305",
        "5, 0, 0x192305"
    })
    void featuresAreThoseOfTheRelease(int major, int minor, String expected)
            throws BootException, XenError {
        try (TestDomain guest = TestDomain.ofXen(EventChannelConfig.DEFAULT, major, minor)) {
            assertEquals(Integer.decode(expected), features(guest));
        }
        try (TestDomain guest = TestDomain.ofXen(WITH_PIRQS, major, minor)) {
            assertEquals(Integer.decode(expected) | 1 << 10, features(guest));
        }
    }

    @ParameterizedTest
    @CsvSource({"4, 17, 0x012305", "4, 18, 0x0d2305", "4, 19, 0x1d2305"})
    void hostThatAccountsRunstatesOffersTheirAreas(int major, int minor, String expected)
            throws BootException, XenError {
        try (TestDomain guest = TestDomain.ofXenWithRunstates(new FakeVm(), major, minor)) {
            assertEquals(Integer.decode(expected), features(guest));
        }
    }

    private static int features(TestDomain guest) throws XenError {
        guest.memory().write32(ARG, 0);
        assertEquals(0, call(guest, true, GET_FEATURES));
        return guest.memory().read32(ARG + 4);
    }

    @ParameterizedTest
    @CsvSource({"4, 17, 0xffff800000000000", "4, 18, 0", "4, 20, 0"})
    void virtStartIsReportedTo64BitCallersUpTo417(int major, int minor, String expected)
            throws BootException, XenError {
        try (TestDomain guest = TestDomain.ofXen(EventChannelConfig.DEFAULT, major, minor)) {
            GuestMemory memory = guest.memory();
            memory.write64(ARG, -1);
            assertEquals(0, call(guest, true, PLATFORM_PARAMETERS));
            assertEquals(
                    Long.parseUnsignedLong(expected.replace("0x", ""), 16), memory.read64(ARG));

            memory.write64(ARG, -1);
            assertEquals(0, call(guest, false, PLATFORM_PARAMETERS));
            assertEquals(0xffff_ffff_0000_0000L, memory.read64(ARG));
        }
    }

    @Test
    void commandLineIsDeniedInNineBytes() throws BootException, XenError {
        try (TestDomain guest = TestDomain.ofXen(EventChannelConfig.DEFAULT, 4, 19)) {
            GuestMemory memory = guest.memory();
            for (int i = 0; i < 1024; i++) {
                memory.write8(ARG + i, NOT_WRITTEN);
            }

            assertEquals(0, call(guest, true, COMMANDLINE));

            for (int i = 0; i < 8; i++) {
                assertEquals("<denied>".charAt(i), memory.read8(ARG + i));
            }
            assertEquals(0, memory.read8(ARG + 8));
            for (int i = 9; i < 1024; i++) {
                assertEquals(NOT_WRITTEN, memory.read8(ARG + i));
            }
        }
    }
}
