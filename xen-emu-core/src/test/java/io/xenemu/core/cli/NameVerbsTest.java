package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.control.ControlReply;
import io.xenemu.core.control.ControlSocket;
import io.xenemu.core.control.TestCommands;
import io.xenemu.core.docs.Document;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonReader;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// xl's verbs that show a service's domains, and those that the service does not need.
@Timeout(60)
final class NameVerbsTest {
    private static final String UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

    @TempDir private Path folder = Path.of("");

    private final List<String> asked = Collections.synchronizedList(new ArrayList<>());

    /// The answer of a service with a guest that runs and one that has crashed.
    private ControlReply reply(String words) {
        asked.add(words);
        Json.Obj web =
                Json.EMPTY
                        .with("name", "web")
                        .with("id", 3)
                        .with("uuid", UUID)
                        .with("memory_mib", 512)
                        .with("max_memory_mib", 1024)
                        .with("vcpus", 2)
                        .with("state", "-b----")
                        .with("cpu_ms", 12_340)
                        .with("began", Instant.now().getEpochSecond() - 90_061);
        Json.Obj old =
                Json.EMPTY
                        .with("name", "old")
                        .with("id", 7)
                        .with("uuid", UUID)
                        .with("state", "---sc-")
                        .with("stop", 3);
        List<Json> rows =
                switch (words) {
                    case "list" -> List.of(web, old);
                    case "list 3", "list web" -> List.of(web);
                    default -> List.of(old);
                };
        return new ControlReply(
                Json.EMPTY.with("domains", new Json.Array(rows)), List.of("text"), null);
    }

    private CapturedRun execute(String... args) throws Exception {
        List<String> all = new ArrayList<>(List.of(args));
        all.add(1, "--socket");
        all.add(2, folder.resolve("s").toString());
        try (ControlSocket _ =
                ControlSocket.open(folder.resolve("s"), null, new TestCommands(this::reply))) {
            return run(all.toArray(String[]::new));
        }
    }

    private static CapturedRun run(String... args) {
        return CapturedRun.of(() -> XenEmu.execute(args));
    }

    @Test
    void aListIsTheServicesOwnText() throws Exception {
        assertEquals(List.of("text"), execute("list").printed());
        assertEquals(List.of("text"), execute("list", "web").printed());
        assertEquals(List.of("list", "list web"), asked);
    }

    @Test
    void aListOfSeveralDomainsHasARowForEach() throws Exception {
        assertEquals(
                List.of(
                        "Name                                        ID   Mem VCPUs\tState\tTime(s)",
                        "web                                          3   512     2     -b----      12.3",
                        "old                                          7     0     0     ---sc-       0.0"),
                execute("list", "web", "old").printed());
    }

    @Test
    void aVerboseListHasUuidsAndReasons() throws Exception {
        List<String> rows = execute("list", "-v").printed();

        assertEquals(
                "Name                                        ID   Mem VCPUs\tState\tTime(s)"
                        + "   UUID                            Reason-Code\tSecurity Label",
                rows.get(0));
        assertTrue(
                rows.get(1).endsWith("12.3 " + UUID + "        -                -"), rows.get(1));
        assertTrue(
                rows.get(2).endsWith(" 0.0 " + UUID + "        3                -"), rows.get(2));
    }

    @Test
    void aLongListIsJsonInLibxlsForm() throws Exception {
        Json list = JsonReader.read(String.join("\n", execute("list", "-l", "web").printed()));

        Json.Obj create = Json.EMPTY.with("type", "pvh").with("name", "web").with("uuid", UUID);
        Json.Obj build =
                Json.EMPTY
                        .with("max_vcpus", 2)
                        .with("max_memkb", 1 << 20)
                        .with("target_memkb", 1 << 19);
        Json.Obj config = Json.EMPTY.with("c_info", create).with("b_info", build);
        assertEquals(
                new Json.Array(List.of(Json.EMPTY.with("domid", 3).with("config", config))), list);
    }

    @Test
    void namesIdsAndUuidsAreFound() throws Exception {
        assertEquals(List.of("web"), execute("domname", "3").printed());
        assertEquals(
                List.of(
                        "UUID                                  ID    name",
                        UUID + "  3    web                           ",
                        UUID + "  7    old                           "),
                execute("vm-list").printed());
        CapturedRun wrong = execute("domname", "web");
        assertEquals(1, wrong.code());
        assertEquals(List.of("xen-emu: 'web' is no domain id"), wrong.errors());
    }

    @Test
    void anUptimeIsSinceTheDomainBegan() throws Exception {
        List<String> rows = execute("uptime", "web").printed();
        assertEquals("Name                                ID Uptime", rows.get(0));
        assertTrue(rows.get(1).matches("web {34}3 1 day,  1:0\\d:\\d\\d"), rows.get(1));
        String line = execute("uptime", "-s", "3").printed().getFirst();
        assertTrue(line.matches(" \\d\\d:\\d\\d:\\d\\d up 1 day,  1:0\\d, web \\(3\\)"), line);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "0|\" 0:00:00\"|\" 0:00\"",
                "3723|\" 1:02:03\"|\" 1:02\"",
                "86400|1 day,  0:00:00|1 day,  0:00",
                "183845|2 days,  3:04:05|2 days,  3:04"
            })
    void timesAreWrittenAsXlDoes(long seconds, String time, String shortTime) {
        assertEquals(time, NameVerbs.time(seconds, false));
        assertEquals(shortTime, NameVerbs.time(seconds, true));
    }

    @Test
    void aButtonIsATrigger() throws Exception {
        assertEquals(0, execute("button-press", "web", "power").code());
        assertEquals(List.of("trigger web power"), asked);
    }

    @ParameterizedTest
    @ValueSource(strings = {"pci-attach", "sched-credit2", "cd-ins", "psr-hw"})
    void aVerbWithoutMeaningIsRefusedByNameWithAReason(String verb) {
        CapturedRun result = run(verb, "web", "anything");

        assertEquals(1, result.code());
        assertEquals(1, result.errors().size());
        String line = result.errors().getFirst();
        assertTrue(
                line.startsWith("xen-emu: " + verb) && line.contains(": not here: "),
                result::toString);
    }

    @Test
    void noRefusedVerbIsACommand() {
        List<String> both = new ArrayList<>(RefusedVerb.names());
        both.retainAll(Subcommand.ALL.stream().map(Subcommand::name).toList());
        assertEquals(List.of(), both);
        Arrays.stream(RefusedVerb.values()).forEach(verb -> assertTrue(!verb.reason().isEmpty()));
    }

    @Test
    void documentedRefusedVerbsAreThoseOfTheTable() throws Exception {
        assertEquals(
                Arrays.stream(RefusedVerb.values())
                        .map(verb -> List.of(verb.verb(), verb.reason()))
                        .toList(),
                Document.read("xen-emu-core/docs/from-xl.md").table("refused", 2));
    }

    @Test
    void helpIsThatOfTheProgramOrOfACommand() {
        assertEquals(run("--help").printed(), run("help").printed());
        assertEquals(run("domid", "--help").printed(), run("help", "domi").printed());
        assertEquals(
                List.of(
                        "vncviewer: not here: no viewer is started; vnc=1 serves a device model's screen"),
                run("help", "vncviewer").printed());
        assertEquals(2, run("help", "fly").code());
    }

    @Test
    void globalOptionsOfXlStandBeforeTheVerb() throws Exception {
        assertEquals(
                run("domid", "--help").printed(), run("-v", "-f", "domid", "--help").printed());
    }
}
