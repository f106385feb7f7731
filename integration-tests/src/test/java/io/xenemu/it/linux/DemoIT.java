package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// `xen-emu demo --pair` on a host without Xen support in its KVM, as the README has it.
@ExtendWith(LabExtension.class)
class DemoIT {
    private static final Pattern SENT =
            Pattern.compile("sent numbers to domain 1, sha256 ([0-9a-f]{64})");

    @Test
    void theSecondGuestTakesAFile(Lab lab) throws IOException, InterruptedException {
        RunningCommand demo =
                lab.xenEmuOnTheHost(
                        List.of(
                                "demo",
                                "--pair",
                                "--lab",
                                "always",
                                "--memory",
                                "256M",
                                "--vcpus",
                                "1",
                                "--exec",
                                "seq 3000 >numbers; send numbers; send"));
        demo.closeInput();

        assertEquals(0, demo.awaitExit(), demo.output());
        Matcher sent = SENT.matcher(demo.output());
        assertTrue(sent.find(), demo.output());
        String received = "receiver: received numbers, 13893 bytes, sha256 " + sent.group(1);
        assertTrue(demo.output().lines().anyMatch(received::equals), demo.output());
        assertTrue(demo.output().contains("usage: send FILE [DOMAIN]"), demo.output());
    }
}
