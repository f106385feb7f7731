package io.xenemu.it.events;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.guest.TestGuests;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/// Two guests of one service ring each other. The rates, over a million rings, are `bin/ring-benchmark`'s.
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RingingGuestsIT {
    private static final Path MODULE = Path.of("").toAbsolutePath();

    private final Lab lab;
    private final TestGuests guests;

    RingingGuestsIT(Lab lab) throws IOException, InterruptedException {
        this.lab = lab;
        guests = TestGuests.build(MODULE, MODULE.resolve("target/ring-guests"));
    }

    private String run(String... arguments) throws IOException, InterruptedException {
        RunningCommand program =
                lab.startJava(
                        List.of(),
                        RingingGuests.class,
                        Stream.concat(Stream.of(guests.ring().toString()), Stream.of(arguments))
                                .toArray(String[]::new));
        int status = program.awaitExit();
        assertEquals(0, status, program.output());
        return program.output();
    }

    private static void assertPrinted(String text, String output) {
        assertTrue(output.contains(text), output);
    }

    @Test
    void noRingIsLostAndNoneLeavesTheKernel() throws IOException, InterruptedException {
        String output = run("rate", "100000", "2000");
        assertPrinted("kernel: 100000 rings", output);
        assertPrinted(" 0 sends in user space", output);
        assertPrinted("user space: 2000 rings", output);
        assertPrinted(" 2000 sends in user space", output);
    }

    @Test
    void noRingIsLostWhileThePortMovesBetweenVcpus() throws IOException, InterruptedException {
        assertPrinted("moved: 500 rings", run("moving", "500"));
    }

    @Test
    void guestOutlivesTheOneThatItRang() throws IOException, InterruptedException {
        assertPrinted("death: survived", run("death"));
    }
}
