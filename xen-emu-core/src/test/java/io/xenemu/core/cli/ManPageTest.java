package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.control.Verb;
import io.xenemu.core.control.VerbTable;
import io.xenemu.core.guest.GuestSetting;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/// The manual page, beside the tables that it comes from.
final class ManPageTest {
    /// The requests of man(7) that the page uses; other lines are text.
    private static final Pattern REQUEST =
            Pattern.compile("\\.(TH|SH|SS|PP|TP|B)( .*)?|[^.'].*|", Pattern.DOTALL);

    private final List<String> page = ManCommand.page();

    private static String shown(String text) {
        return text.replace("-", "\\-");
    }

    @Test
    void pageHasEveryCommandWithTheTextsOfTheVerbTable() {
        for (Subcommand command : Subcommand.ALL) {
            assertTrue(page.contains(".SS " + shown("xen-emu " + command.name())), command.name());
        }
        String whole = String.join(" ", page);
        for (Verb verb : VerbTable.ALL) {
            if (!verb.name().endsWith("-all")) {
                assertTrue(whole.contains(shown(verb.help())), verb.name());
            }
        }
    }

    @Test
    void pageHasTheOptionsOfEverySetting() {
        for (GuestSetting setting : GuestSetting.values()) {
            if (!setting.option().isEmpty()) {
                String option = ".B " + shown(setting.option() + " " + setting.label()).strip();
                assertTrue(page.contains(option), option);
            }
        }
    }

    @Test
    void helpAndVersionOptionsAppearOnce() {
        for (String option : List.of("-h, --help", "-V, --version")) {
            String line = ".B " + shown(option);
            assertEquals(1, page.stream().filter(line::equals).count(), option);
        }
        assertFalse(
                page.stream()
                        .filter(it -> !it.equals(".SS xen\\-emu help"))
                        .anyMatch(it -> it.endsWith(" help")),
                "picocli's own help command");
    }

    /// Picocli's line breaks within a synopsis would become blanks within a value.
    @Test
    void noSynopsisIsBroken() {
        assertTrue(
                page.stream()
                        .anyMatch(it -> it.contains("[" + shown("--kernel-version=6.12|6.1]"))),
                "synopsis of demo");
    }

    @Test
    void everyLineIsTextOrAKnownRequest() {
        for (String line : page) {
            assertTrue(REQUEST.matcher(line).matches(), line);
            assertTrue(!line.contains("${") && !line.contains("%n"), line);
        }
    }
}
