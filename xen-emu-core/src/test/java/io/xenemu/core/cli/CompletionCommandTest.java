package io.xenemu.core.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.xenemu.core.guest.GuestSetting;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The completion of bash, by bash itself.
final class CompletionCommandTest {
    @TempDir private Path folder;

    /// What bash offers for the last of these words.
    private List<String> offered(String... words) throws IOException, InterruptedException {
        assumeTrue(Files.exists(Path.of("/bin/bash")), "needs bash");
        Path script = folder.resolve("completion");
        Files.writeString(script, CompletionCommand.script());
        String asked =
                ". "
                        + script
                        + "; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _complete_xen-emu;"
                        + " printf '%s\\n' \"${COMPREPLY[@]}\"";
        ProcessBuilder bash = new ProcessBuilder("/bin/bash", "--norc", "-c", asked, "bash");
        bash.command().addAll(List.of(words));
        Process process = bash.redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), UTF_8);
        assertEquals(0, process.waitFor(), output);
        return output.lines().map(String::strip).toList();
    }

    @Test
    void everyCommandIsOffered() throws Exception {
        List<String> offered = offered("xen-emu", "");
        for (Subcommand command : Subcommand.ALL) {
            assertTrue(offered.contains(command.name()), () -> command.name() + ": " + offered);
        }
    }

    @Test
    void beginningOfACommandOffersWhatBeginsSo() throws Exception {
        List<String> offered = offered("xen-emu", "vcpu-");
        assertEquals(
                List.of("vcpu-list", "vcpu-pin", "vcpu-set"), offered.stream().sorted().toList());
    }

    @Test
    void everySettingOfAGuestIsOfferedToCreate() throws Exception {
        List<String> offered = offered("xen-emu", "create", "--");
        for (GuestSetting setting : GuestSetting.values()) {
            if (!setting.option().isEmpty()) {
                assertTrue(
                        offered.contains(setting.option()),
                        () -> setting.option() + ": " + offered);
            }
        }
    }
}
