package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.domain.WalkAgainstKvm;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Our page-table walk against KVM's, on a running guest.
@ExtendWith(LabExtension.class)
class PageWalkIT {
    @Test
    void walkAgreesWithKvmTranslate(Lab lab) throws IOException, InterruptedException {
        List<String> guest =
                LinuxImages.arguments(lab, "6.12", Optional.of("while :; do ls -R / ; done"));
        RunningCommand program =
                lab.startJava(
                        List.of(),
                        WalkAgainstKvm.class,
                        guest.get(guest.indexOf("--kernel") + 1),
                        guest.get(guest.indexOf("--initrd") + 1));
        int status = program.awaitExit();
        String output = program.output();

        assertEquals(0, status, output);
        Matcher result =
                Pattern.compile("walk: (\\d+) mapped, (\\d+) unmapped, (\\d+) differences")
                        .matcher(output);
        assertTrue(result.find(), output);
        assertTrue(Long.parseLong(result.group(1)) > 1000, output);
        assertTrue(Long.parseLong(result.group(2)) > 1000, output);
        assertEquals("0", result.group(3), output);
    }
}
