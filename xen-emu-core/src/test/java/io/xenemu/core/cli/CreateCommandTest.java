package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.TestImages;
import io.xenemu.core.control.ControlReply;
import io.xenemu.core.control.ControlSocket;
import io.xenemu.core.control.TestCommands;
import io.xenemu.core.json.Json;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `create` with configuration files, as far as it goes without a service.
final class CreateCommandTest {
    @TempDir private Path folder = Path.of("");

    private Path cfg = Path.of("");

    @BeforeEach
    void makeKernelAndFile() throws IOException {
        Files.writeString(folder.resolve("vmlinuz"), "kernel");
        cfg =
                Files.writeString(
                        folder.resolve("web.cfg"),
                        "type='pvh'\nname='web'\nmemory=512\nvcpus=2\nkernel='%s'\n"
                                .formatted(folder.resolve("vmlinuz")));
    }

    private CapturedRun create(String... arguments) {
        List<String> all = new ArrayList<>(List.of("create", "-s", folder.resolve("s").toString()));
        all.addAll(List.of(arguments));
        return CapturedRun.of(
                () -> XenEmu.commandLine("create").execute(all.toArray(String[]::new)));
    }

    private String kernel() {
        return "kernel=" + folder.resolve("vmlinuz");
    }

    @Test
    void aDryRunPrintsTheSettingsOfTheFile() {
        CapturedRun result = create("-n", cfg.toString());

        assertEquals(0, result.code(), result.errors()::toString);
        assertEquals(List.of("name=web", "memory=512", "vcpus=2", kernel()), result.printed());
        assertEquals(List.of("Parsing config from " + cfg), result.errors());
        assertEquals(result.printed(), create("-q", "--dryrun", "-f", cfg.toString()).printed());
    }

    @Test
    void theCommandLineOverridesTheFile() {
        CapturedRun result =
                create("-n", cfg.toString(), "memory=256", "--vcpus", "4", "name=\"db\"", "-q");

        assertEquals(0, result.code(), result.errors()::toString);
        assertEquals(List.of("name=db", "memory=256", kernel(), "vcpus=4"), result.printed());
        assertEquals(List.of(), result.errors());
    }

    @Test
    void aGuestThatNobodyWatchesStaysAsItEnds() {
        CapturedRun result = create("-n", "-q", "-e", cfg.toString());

        assertTrue(
                result.printed().containsAll(List.of("on_reboot=preserve", "on_crash=preserve")),
                result::toString);
    }

    @Test
    void settingsAloneAreAConfiguration() {
        CapturedRun result = create("-q", "name='a'", "type='pvh'", "kernel='/nonexistent'");

        assertEquals(1, result.code());
        assertTrue(result.errors().getFirst().contains("/nonexistent"), result::toString);
    }

    @Test
    void wrongFilesGiveOneLine() throws IOException {
        Files.writeString(cfg, "name='web'\nmemry=512\nvcpus=two\n");

        assertEquals(
                List.of("xen-emu: " + cfg + ":3: text has quotes: \"two\""),
                create(cfg.toString()).errors());
        Files.writeString(cfg, "type='pvh'\nmemry=512\n");
        CapturedRun unknown = create(cfg.toString());
        assertEquals(1, unknown.code());
        assertEquals(
                "xen-emu: "
                        + cfg
                        + ":2: memry: no such setting in xl.cfg(5) (did you mean memory?); xl"
                        + " ignores it, and so does -q",
                unknown.errors().getLast());
        CapturedRun missing = create(folder.resolve("none.cfg").toString());
        assertEquals(1, missing.code());
        assertTrue(
                missing.errors().getLast().contains("none.cfg: no such file"), missing::toString);
    }

    @Test
    void theServiceGetsTheSettingsAndTheCommandWaitsForTheGuestsEnd() throws IOException {
        Files.write(folder.resolve("vmlinuz"), TestImages.bytes(TestImages.bzImage()));
        List<String> asked = Collections.synchronizedList(new ArrayList<>());
        TestCommands commands =
                new TestCommands(words -> {
                    asked.add(words);
                    return words.startsWith("console")
                            // The guest ends at once.
                            ? ControlReply.session(SocketChannel::close)
                            : new ControlReply(Json.EMPTY, List.of(), null);
                });
        try (ControlSocket _ = ControlSocket.open(folder.resolve("s"), null, commands)) {
            CapturedRun result = create("-q", "-p", "-F", cfg.toString());
            assertEquals(0, result.code(), result.errors()::toString);
        }
        assertEquals(
                List.of("create paused name=web memory=512 vcpus=2 " + kernel(), "console pv web"),
                asked);
    }

    @Test
    void wrongUseIsToldFromWrongFiles() {
        assertEquals(2, create(cfg.toString(), "other.cfg").code());
        assertEquals(2, create("-V", cfg.toString()).code());
    }
}
