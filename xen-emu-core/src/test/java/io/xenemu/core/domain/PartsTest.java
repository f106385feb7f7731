package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class PartsTest {
    private final List<String> done = new ArrayList<>();
    private final Parts parts = new Parts(part("vcpus"));

    private OwnPart part(String name) {
        return new OwnPart(
                name,
                () -> done.add("stop " + name),
                () -> done.add("go " + name),
                OwnPart.NEVER,
                () -> new PartState.Derived("test"),
                () -> done.add("end " + name));
    }

    @Test
    void partsStopFromTheTopAndGoOnFromTheBottom() throws InterruptedException {
        parts.add(part("memory"));
        parts.add(part("device"));
        parts.quiesce();
        parts.resume();
        assertEquals(
                List.of(
                        "stop vcpus",
                        "stop device",
                        "stop memory",
                        "go memory",
                        "go device",
                        "go vcpus"),
                done);
    }

    @Test
    void partsEndFromTheTopOnce() {
        parts.add(part("memory"));
        parts.add(part("device"));
        parts.close();
        assertEquals(List.of("end vcpus", "end device", "end memory"), done);
    }

    @Test
    void partThatDoesNotStopLetsTheOthersGoOn() throws InterruptedException {
        StuckException failure = new StuckException("test");
        parts.add(part("memory"));
        parts.add(
                new OwnPart(
                        "device",
                        () -> {
                            throw failure;
                        },
                        () -> done.add("go device"),
                        OwnPart.NEVER,
                        () -> new PartState.Nothing("test"),
                        OwnPart.NOTHING));

        assertSame(failure, assertThrows(StuckException.class, parts::quiesce));

        assertEquals(List.of("stop vcpus", "go vcpus"), done);
        assertThrows(IllegalStateException.class, parts::save);
    }

    @Test
    void everyPartGoesOnEvenIfAnotherFails() throws InterruptedException {
        RuntimeException failure = new IllegalStateException("test");
        parts.add(
                new OwnPart(
                        "device",
                        OwnPart.NOTHING,
                        () -> {
                            throw failure;
                        },
                        OwnPart.NEVER,
                        () -> new PartState.Nothing("test"),
                        OwnPart.NOTHING));
        parts.quiesce();
        assertSame(failure, assertThrows(RuntimeException.class, parts::resume));
        assertEquals(List.of("stop vcpus", "go vcpus"), done);
    }

    @Test
    void namesAreUniqueAndNothingIsAddedToPartsThatStandStill() throws InterruptedException {
        parts.add(part("memory"));
        assertThrows(IllegalArgumentException.class, () -> parts.add(part("memory")));
        assertThrows(IllegalArgumentException.class, () -> parts.add(part("vcpus")));
        parts.quiesce();
        assertThrows(IllegalStateException.class, () -> parts.add(part("device")));
        assertThrows(IllegalStateException.class, parts::quiesce);
    }

    @Test
    void blockersNameTheirPartsAndNothingStopsInVain() {
        parts.add(OwnPart.unsaved("device", "another guest serves it"));
        parts.add(OwnPart.unsaved("console", "it is broken"));

        BlockedException e = assertThrows(BlockedException.class, parts::quiesceAndSave);

        assertEquals("device: another guest serves it; console: it is broken", e.getMessage());
        assertEquals(List.of(), done);
        assertThrows(IllegalStateException.class, parts::save);
    }

    @Test
    void partThatBlocksWhenItStandsStillLetsTheOthersGoOn() {
        parts.add(part("memory"));
        parts.add(
                OwnPart.blocking(
                        "device",
                        () -> done.isEmpty() ? Optional.empty() : Optional.of("it has changed"),
                        () -> new PartState.Nothing("test")));

        assertThrows(BlockedException.class, parts::quiesceAndSave);

        assertEquals(List.of("stop vcpus", "stop memory", "go memory", "go vcpus"), done);
    }

    /// The VM's clock must not be behind what the vCPUs have answered.
    @Test
    void partsAnswerFromTheTop() throws Exception {
        parts.add(
                OwnPart.passive(
                        "clock",
                        () -> {
                            done.add("save clock");
                            return new PartState.Nothing("test");
                        }));
        parts.add(
                OwnPart.passive(
                        "device",
                        () -> {
                            done.add("save device");
                            return new PartState.Nothing("test");
                        }));
        assertEquals(
                List.of("clock", "device", "vcpus"), List.copyOf(parts.quiesceAndSave().keySet()));
        assertEquals(List.of("stop vcpus", "save device", "save clock"), done);
    }

    @Test
    void partsThatAreSavedStandStillUntilTheyGoOn() throws Exception {
        parts.add(part("memory"));
        assertEquals(List.of("memory", "vcpus"), List.copyOf(parts.quiesceAndSave().keySet()));
        assertEquals(List.of("stop vcpus", "stop memory"), done);
        parts.resume();
        assertEquals(List.of("stop vcpus", "stop memory", "go memory", "go vcpus"), done);
    }

    /// Each part of a new domain, from the bottom to the top, and its answer.
    @Test
    void everyPartOfADomainAnswersASave() throws Exception {
        try (TestDomain test = new TestDomain(1)) {
            test.domain().parts().quiesce();
            List<String> answers = new ArrayList<>();
            test.domain()
                    .parts()
                    .save()
                    .forEach((name, state) ->
                            answers.add(name + " " + state.getClass().getSimpleName()));
            assertEquals(
                    List.of(
                            "memory Saved",
                            "grants Saved",
                            "vm Derived",
                            "device meters Nothing",
                            "eventfds Derived",
                            "upcalls Saved",
                            "event channel meters Nothing",
                            "evtchn Saved",
                            "messages Derived",
                            "remote lines Derived",
                            "params Saved",
                            "shared_info Saved",
                            "layout Derived",
                            "memory map Derived",
                            "domain Saved",
                            "timers Saved",
                            "watchdogs Saved",
                            "hypercall meters Nothing",
                            "vcpus Saved"),
                    answers);
        }
    }

    @Test
    void domainThatHasShutDownBlocks() throws BootException, XenError {
        try (TestDomain test = new TestDomain(1)) {
            test.domain().shutdown(ShutdownReason.POWEROFF, "");
            assertEquals(List.of("domain: it has shut down"), test.domain().parts().blockers());
        }
    }

    @Test
    void pausedDomainIsSavedAndStaysPaused() throws BootException, XenError, InterruptedException {
        try (TestDomain test = new TestDomain(1)) {
            test.domain().pause();
            test.domain().parts().quiesce();
            test.domain().parts().resume();
            assertTrue(test.domain().isPaused());
            assertTrue(test.domain().vcpus().getFirst().isHeld());
        }
    }
}
