package io.xenemu.it.events;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabProgram;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.program.RingingGuests;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/// Two guests of one service ring each other. `bin/soak rings` does it a million times; the rates are
/// `bin/ring-benchmark`'s.
@Needs({HostPackage.GCC, HostPackage.LIBC, HostPackage.LINUX_HEADERS, HostPackage.XEN_HEADERS})
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RingingGuestsIT {
    private static final Path MODULE = Path.of("").toAbsolutePath();

    private final LabProgram guests;

    RingingGuestsIT(Lab lab) throws IOException, InterruptedException {
        TestGuests built = TestGuests.build(MODULE, MODULE.resolve("target/ring-guests"));
        guests = new LabProgram(lab, RingingGuests.class, built.ring().toString());
    }

    @AfterAll
    void end() throws IOException, InterruptedException {
        try (guests) {
            guests.end();
        }
    }

    private static void assertPrinted(String text, String output) {
        assertTrue(output.contains(text), output);
    }

    @Test
    void noRingIsLostAndNoneLeavesTheKernel() throws IOException, InterruptedException {
        String output = guests.play("rate 20000 2000");
        assertPrinted("kernel: 20000 rings", output);
        assertPrinted(" 0 sends in user space", output);
        assertPrinted("user space: 2000 rings", output);
        assertPrinted(" 2000 sends in user space", output);
    }

    @Test
    void noRingIsLostWhileThePortMovesBetweenVcpus() throws IOException, InterruptedException {
        assertPrinted("moved: 500 rings", guests.play("moving 500"));
    }

    @Test
    void guestOutlivesTheOneThatItRang() throws IOException, InterruptedException {
        assertPrinted("death: survived", guests.play("death"));
    }
}
