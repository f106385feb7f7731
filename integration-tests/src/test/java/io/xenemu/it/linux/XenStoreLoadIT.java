package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import io.xenemu.it.xenstore.HostWriter;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Eight processes of a Linux guest use XenStore through /dev/xen/xenbus while the host writes what they watch: nothing is lost
/// and nothing is out of order, which `xenbus-load` itself sees to.
@ExtendWith(LabExtension.class)
class XenStoreLoadIT {
    private static final int SECONDS = 60;
    private static final int PROCESSES = 8;
    private static final String SOCKET = "/run/load-xenstore";
    private static final Pattern WROTE = Pattern.compile("wrote (\\d+)");

    @Test
    void nothingIsLostOrOutOfOrder(Lab lab) throws IOException, InterruptedException {
        try (RunningCommand guest =
                lab.xenEmuRun(
                        LinuxImages.arguments(
                                lab,
                                "6.12",
                                Optional.empty(),
                                GuestPrograms.build("xenbus-load"),
                                "--vcpus",
                                "2",
                                "--xenstore-socket",
                                SOCKET))) {
            GuestShell shell = new GuestShell(guest);
            shell.awaitBoot();
            RunningCommand host =
                    lab.startJava(
                            List.of(),
                            HostWriter.class,
                            SOCKET,
                            "/local/domain/1/data/host",
                            Integer.toString(SECONDS));
            String output = shell.run("xenbus-load " + SECONDS + " " + PROCESSES + " data/host");
            assertEquals(0, host.awaitExit(), host.output());
            Matcher wrote = WROTE.matcher(host.output());
            assertTrue(wrote.find(), host.output());

            assertTrue(output.contains("xenbus-load: ok "), output);
            assertTrue(output.contains("host's last " + wrote.group(1)), output);
            shell.assertNoComplaint();
            guest.type("poweroff\n");
            assertEquals(0, guest.awaitExit(), guest.output());
        }
    }
}
