package io.xenemu.it.grants;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabProgram;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.program.SharingGuests;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/// Guests of one service share pages, die, and attack.
@Needs({HostPackage.GCC, HostPackage.LIBC, HostPackage.LINUX_HEADERS, HostPackage.XEN_HEADERS})
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SharingGuestsIT {
    private static final Path MODULE = Path.of("").toAbsolutePath();

    private final LabProgram guests;

    SharingGuestsIT(Lab lab) throws IOException, InterruptedException {
        TestGuests built = TestGuests.build(MODULE, MODULE.resolve("target/share-guests"));
        guests = new LabProgram(lab, SharingGuests.class, built.share().toString());
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
    void twoGuestsShareGrantedPagesAndAThirdOneCannot() throws IOException, InterruptedException {
        assertPrinted("share: done", guests.play("share"));
    }

    @Test
    void pagesOutliveTheirGranterAndFlagsDoNotOutliveTheMapper()
            throws IOException, InterruptedException {
        assertPrinted("death: survived", guests.play("death"));
    }

    @Test
    void hostileGuestGetsNothingThatWasNotGrantedToIt() throws IOException, InterruptedException {
        assertPrinted("attack: survived", guests.play("attack 20261121"));
    }
}
