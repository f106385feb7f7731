package io.xenemu.xenstore;

import static io.xenemu.xenstore.wire.MessageType.GET_FEATURE;
import static io.xenemu.xenstore.wire.MessageType.GET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.MKDIR;
import static io.xenemu.xenstore.wire.MessageType.READ;
import static io.xenemu.xenstore.wire.MessageType.SET_FEATURE;
import static io.xenemu.xenstore.wire.MessageType.SET_PERMS;
import static io.xenemu.xenstore.wire.MessageType.WATCH;
import static io.xenemu.xenstore.wire.MessageType.WRITE;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.wire.Features;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// GET_FEATURE and SET_FEATURE, and that a domain gets what its page says.
class FeatureTest {
    private static final String OK = "OK\0";
    private static final int FEATURES = 0x810;
    private static final int CONNECTION = 0x814;
    private static final int ERROR = 0x818;

    private final Rig rig = new Rig();
    private final Rig.Client dom0 = rig.client(0);

    @AfterEach
    void close() {
        rig.close();
    }

    private RingEnd guestWith(int features) {
        rig.existing.add(new DomId(3));
        assertEquals(OK, dom0.ask(SET_FEATURE, "3\0" + features + "\0"));
        return new RingEnd(rig.guest(3));
    }

    @Test
    void allFeaturesAreOnByDefault() {
        assertEquals("15\0", dom0.ask(GET_FEATURE, ""));
        RingEnd guest = new RingEnd(rig.guest(3));
        assertEquals(15, guest.get(FEATURES));
        assertEquals("15\0", guest.ask(GET_FEATURE, 0, ""));
        assertEquals("15\0", dom0.ask(GET_FEATURE, "3\0"));
    }

    @Test
    void featuresAreSetBeforeTheIntroduction() {
        RingEnd guest = guestWith(Features.ERROR);
        assertEquals(2, guest.get(FEATURES));
        assertEquals("2\0", guest.ask(GET_FEATURE, 0, ""));
        assertEquals("EBUSY", dom0.ask(SET_FEATURE, "3\0" + "15\0"));
        assertEquals("EBUSY", dom0.ask(SET_FEATURE, "0\0" + "1\0"));
        rig.server.release(new DomId(3));
        assertEquals("15\0", dom0.ask(GET_FEATURE, "3\0"));
    }

    @Test
    void onlyDomain0ReadsFeaturesOfOthersAndSetsFeatures() {
        Rig.Client guest = rig.client(3);
        rig.client(4);
        assertEquals("EACCES", guest.ask(GET_FEATURE, "3\0"));
        assertEquals("EACCES", guest.ask(GET_FEATURE, "4\0"));
        assertEquals("EACCES", guest.ask(SET_FEATURE, "3\0" + "1\0"));
        assertEquals("ENOENT", dom0.ask(GET_FEATURE, "77\0"));
        assertEquals("ENOENT", dom0.ask(SET_FEATURE, "77\0" + "1\0"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "4\0",
                "4\0" + "16\0",
                "4\0" + "-1\0",
                "4\0x\0",
                "x\0" + "1\0",
                "4\0" + "1\0" + "1\0"
            })
    void malformedSetFeatureIsEinval(String payload) {
        rig.client(4);
        assertEquals("EINVAL", dom0.ask(SET_FEATURE, payload));
    }

    @Test
    void withoutTheReconnectionFeatureTheRingIsNotReset() {
        RingEnd guest = guestWith(0);
        guest.set(CONNECTION, RingEnd.RECONNECT);
        guest.service();
        assertEquals(RingEnd.RECONNECT, guest.get(CONNECTION));
    }

    @Test
    void withoutTheErrorFeatureThePageHasNoErrorCode() {
        RingEnd guest = guestWith(0);
        guest.set(RingEnd.REQ_PROD, 5000);
        guest.service();
        assertEquals(0, guest.get(ERROR));
    }

    @Test
    void withoutTheWatchDepthFeatureADepthIsEinval() {
        RingEnd guest = guestWith(Features.RECONNECTION | Features.ERROR);
        assertEquals("EINVAL\0", guest.ask(WATCH, 0, "a\0t\0" + "1\0"));
        assertEquals(OK, guest.ask(WATCH, 0, "a\0t\0"));
    }

    @Test
    void permissionForAllDomainsNeedsItsFeature() {
        RingEnd without = guestWith(0);
        RingEnd with = new RingEnd(rig.guest(4));
        dom0.ask(MKDIR, "/shared\0");
        assertEquals(OK, dom0.ask(SET_PERMS, "/shared\0n0\0r32757\0"));
        assertEquals("", without.ask(READ, 0, "/shared\0"));
        assertEquals("EACCES\0", without.ask(WRITE, 0, "/shared\0x"));
        dom0.ask(MKDIR, "/of3\0");
        dom0.ask(SET_PERMS, "/of3\0n3\0");
        assertEquals(OK, without.ask(SET_PERMS, 0, "/of3\0n3\0r32757\0"));
        assertEquals("n3\0", dom0.ask(GET_PERMS, "/of3\0"));
        dom0.ask(MKDIR, "/of4\0");
        dom0.ask(SET_PERMS, "/of4\0n4\0");
        assertEquals(OK, with.ask(SET_PERMS, 0, "/of4\0n4\0b32757\0"));
        assertEquals(OK, without.ask(WRITE, 0, "/of4\0x"));
    }
}
