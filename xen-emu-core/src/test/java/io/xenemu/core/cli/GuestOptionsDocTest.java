package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.xenemu.core.docs.Document;
import io.xenemu.core.guest.GuestSetting;
import io.xenemu.core.guest.SettingType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/// The table of a guest's settings, beside the command line and the documents.
final class GuestOptionsDocTest {
    private static CommandSpec parser(String command) {
        CommandLine line = XenEmu.commandLine(command).getSubcommands().get(command);
        assertNotNull(line);
        return line.getCommandSpec();
    }

    @Test
    void runAndCreateHaveAnOptionForEachSettingInTheOrderOfTheTable() {
        List<String> options =
                Arrays.stream(GuestSetting.values())
                        .map(GuestSetting::option)
                        .filter(option -> !option.isEmpty())
                        .toList();
        for (String command : List.of("run", "create")) {
            List<String> all =
                    new ArrayList<>(
                            parser(command).options().stream()
                                    .map(OptionSpec::longestName)
                                    .toList());
            all.retainAll(options);
            assertEquals(options, all, command);
        }
        assertEquals("--socket", parser("create").options().getFirst().longestName());
    }

    @Test
    void documentedSettingsAreThoseOfTheTable() throws IOException {
        List<List<String>> rows =
                Arrays.stream(GuestSetting.values())
                        .map(it -> List.of(it.key(), it.option(), initial(it)))
                        .toList();

        assertEquals(rows, Document.read("xen-emu-core/docs/operations.md").table("settings", 3));
    }

    private static String initial(GuestSetting setting) {
        String initial = setting.initial();
        if (initial == null) {
            return "required";
        }
        return setting.type() == SettingType.UUID ? "random" : initial;
    }
}
