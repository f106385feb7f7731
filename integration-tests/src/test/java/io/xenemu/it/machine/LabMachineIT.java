package io.xenemu.it.machine;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.lab.LabProcess;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LabExtension.class)
@Timeout(300)
final class LabMachineIT {
    private static final Duration SOON = Duration.ofMinutes(2);

    @Test
    void theKernelIsOneWithXenInKvm(Lab lab) throws Exception {
        Lab.Result result = sh(lab, "uname -r; test -c /dev/kvm");

        assertTrue(result.stdout().startsWith("6.12."), result.toString());
        assertEquals(0, result.exitCode());
    }

    @Test
    void outputErrorsAndStatusArePassedSeparately(Lab lab) throws Exception {
        assertEquals(
                new Lab.Result(7, "out\n", "err\n"), sh(lab, "echo out; echo err >&2; exit 7"));
    }

    @Test
    void aSignalIsAStatusAbove128(Lab lab) throws Exception {
        assertEquals(137, sh(lab, "kill -KILL $$").exitCode());
    }

    @Test
    void commandThatCannotBeStartedHasTheShellsStatus(Lab lab) throws Exception {
        assertEquals(127, lab.exec(SOON, List.of("/no/such/program")).exitCode());
    }

    @Test
    void argumentsArePassedAsTheyAre(Lab lab) throws Exception {
        Lab.Result result =
                lab.exec(SOON, List.of("printf", "%s|", "a b", "", "'$HOME'", "*", "two\nlines"));

        assertEquals("a b||'$HOME'|*|two\nlines|", result.stdout());
    }

    @Test
    void everyByteOfInputComesBackAndEndsWithIt(Lab lab) throws Exception {
        byte[] bytes = new byte[1 << 20];
        new Random(1).nextBytes(bytes);
        LabProcess cat = lab.start(List.of("sha256sum"));
        try (OutputStream in = cat.getOutputStream()) {
            in.write(bytes);
        }

        String here = sha256(bytes);
        assertEquals(here, new String(cat.getInputStream().readAllBytes(), UTF_8).substring(0, 64));
        assertEquals(0, cat.waitFor());
    }

    @Test
    void hostsFilesCanBeReadAndNotWritten(Lab lab) throws Exception {
        // Not a file of the checkout: that may be in /tmp, which the machine can write for itself.
        Path file = Path.of("/etc/os-release");

        Lab.Result result = sh(lab, "cat %1$s && echo >>%1$s".formatted(file));

        assertEquals(Files.readString(file), result.stdout());
        assertTrue(result.exitCode() != 0, result.stderr());
    }

    @Test
    void sharedFolderIsThatOfTheHost(Lab lab) throws Exception {
        Lab.Result result = sh(lab, "echo written >$XEN_EMU_LAB_SHARE/note; echo >/tmp/scratch");

        assertEquals(0, result.exitCode(), result.stderr());
        assertEquals("written\n", Files.readString(lab.share().resolve("note")));
    }

    @Test
    void aStoppedCommandTakesItsChildrenAlong(Lab lab) throws Exception {
        LabProcess command = lab.start(List.of("sh", "-c", "sleep 1000 & echo $!; wait"));
        String child = firstLine(command);
        command.destroyForcibly();

        assertEquals(137, command.waitFor());
        assertEquals(1, sh(lab, "kill -0 " + child + " 2>/dev/null || exit 1").exitCode());
    }

    @Test
    void aCommandCanEndCleanlyOnSigterm(Lab lab) throws Exception {
        LabProcess command =
                lab.start(List.of("sh", "-c", "trap 'exit 3' TERM; echo up; sleep 1000 & wait"));
        firstLine(command);
        command.destroy();

        assertEquals(3, command.waitFor());
    }

    private static Lab.Result sh(Lab lab, String script) throws Exception {
        return lab.exec(SOON, List.of("sh", "-c", script));
    }

    private static String firstLine(LabProcess process) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = process.getInputStream().read();
                c > '\n';
                c = process.getInputStream().read()) {
            line.append((char) c);
        }
        return line.toString();
    }

    private static String sha256(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }
}
