package io.xenemu.it.grants;

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

/// Guests of one service share pages, die, and attack.
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SharingGuestsIT {
    private static final Path MODULE = Path.of("").toAbsolutePath();

    private final Lab lab;
    private final TestGuests guests;

    SharingGuestsIT(Lab lab) throws IOException, InterruptedException {
        this.lab = lab;
        guests = TestGuests.build(MODULE, MODULE.resolve("target/share-guests"));
    }

    private void run(String last, String... arguments) throws IOException, InterruptedException {
        RunningCommand program =
                lab.startJava(
                        List.of(),
                        SharingGuests.class,
                        Stream.concat(Stream.of(guests.share().toString()), Stream.of(arguments))
                                .toArray(String[]::new));
        int status = program.awaitExit();
        assertEquals(0, status, program.output());
        assertTrue(program.output().contains(last), program.output());
    }

    @Test
    void twoGuestsShareWhatIsGrantedAndAThirdOneHasNoPart()
            throws IOException, InterruptedException {
        run("share: done", "share");
    }

    @Test
    void pagesOutliveTheirGranterAndFlagsDoNotOutliveTheMapper()
            throws IOException, InterruptedException {
        run("death: survived", "death");
    }

    @Test
    void hostileGuestGetsNothingThatWasNotGrantedToIt() throws IOException, InterruptedException {
        run("attack: survived", "attack", "20261121");
    }
}
