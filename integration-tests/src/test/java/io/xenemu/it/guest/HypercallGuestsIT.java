package io.xenemu.it.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.CheckReport;
import io.xenemu.it.fixture.GuestRunner;
import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.HypercallRows;
import io.xenemu.it.fixture.KnownDifferences;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.TestGuests;
import io.xenemu.it.fixture.Vmm;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The `hypercalls` guest, whose expected values are Xen's, on ours and on the peer.
@Needs({HostPackage.GCC, HostPackage.LIBC, HostPackage.LINUX_HEADERS, HostPackage.XEN_HEADERS})
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HypercallGuestsIT {

    private static final long RUN_LIMIT_SECONDS = 600;

    // A new guest that lost half of its checks must not pass for a good one.
    private static final int CHECKS_AT_LEAST = 700;
    private static final int PEER_CHECKS_AT_LEAST = 650;
    private static final int GRANT_LIMIT_CHECKS_AT_LEAST = 50;
    private static final int FIFO_CHECKS_AT_LEAST = 120;
    private static final int PIRQ_CHECKS_AT_LEAST = 150;
    private static final int FREEBSD_CHECKS_AT_LEAST = 20;

    private static final int ROWS_AT_LEAST = 500;

    /// Has the guest print the answers to the rows.
    private static final String ROWS = "only=rows";

    /// The highest port, as xl's `max_event_channels`.
    private static final String MAX_PORT = "64";

    /// The highest ports of the ABIs.
    private static final String ALL_2_LEVEL = "4095";

    private static final String ALL_FIFO = "131071";

    private static final Path MODULE = Path.of("").toAbsolutePath();

    private final Lab lab;
    private final TestGuests guests;

    HypercallGuestsIT(Lab lab) throws IOException, InterruptedException {
        this.lab = lab;
        guests = TestGuests.build(MODULE, MODULE.resolve("target/guests"));
    }

    private CheckReport ours(int bits, String append, int checksAtLeast, String... options)
            throws IOException, InterruptedException {
        List<String> all = new ArrayList<>();
        all.addAll(List.of("--kernel", guest(bits), "--append", append));
        all.addAll(List.of("--memory", "256M", "--vcpus", "2"));
        all.addAll(List.of(options));
        try (LabGuest guest = LabDaemon.shared(lab).boot("serial", "hypercalls", all)) {
            return report(guest.awaitEnd("poweroff"), checksAtLeast);
        }
    }

    private static CheckReport report(String output, int checksAtLeast) {
        CheckReport report = CheckReport.parse(output);
        assertTrue(report.complete(), output);
        assertTrue(
                report.passed().size() + report.failed().size() >= checksAtLeast,
                () -> "too few checks:\n" + output);
        return report;
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void oursDiffersFromXenExactlyAsDocumented(int bits) throws IOException, InterruptedException {
        CheckReport report = ours(bits, "", CHECKS_AT_LEAST, "--max-event-channels", ALL_2_LEVEL);

        KnownDifferences.assertExactly(report, "ours-differences.txt");
        assertEquals(List.of(), report.skipped());
    }

    /// A domain that may have PIRQs, and fewer ports than the ABI has.
    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void pirqsAndTheLimitOfPortsAreAsInXen(int bits) throws IOException, InterruptedException {
        CheckReport report =
                ours(
                        bits,
                        "only=physdev only=limits max-port=" + MAX_PORT,
                        PIRQ_CHECKS_AT_LEAST,
                        "--hvm-pirq",
                        "--max-event-channels",
                        MAX_PORT);

        assertEquals(Map.of(), report.failed());
    }

    /// A domain that may have few frames, mappings and versions.
    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void limitsOfGrantTablesAreAsInXen(int bits) throws IOException, InterruptedException {
        CheckReport report =
                ours(
                        bits,
                        "only=grant_limits max-grant-frames=3",
                        GRANT_LIMIT_CHECKS_AT_LEAST,
                        "--max-grant-frames=3",
                        "--max-maptrack-frames=1",
                        "--max-grant-version=1");

        assertEquals(Map.of(), report.failed());
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void theFifoAbiIsAsInXen(int bits) throws IOException, InterruptedException {
        CheckReport report =
                ours(
                        bits,
                        "only=fifo abi=fifo",
                        FIFO_CHECKS_AT_LEAST,
                        "--evtchn",
                        "auto",
                        "--max-event-channels",
                        ALL_FIFO);

        assertEquals(Map.of(), report.failed());
    }

    /// The stops of other vCPUs' timers from vCPU 0 among them: if one is refused, FreeBSD has no Xen timer.
    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void callsInTheOrderOfFreeBsdAreAnsweredAsInXen(int bits)
            throws IOException, InterruptedException {
        CheckReport report = ours(bits, "order=freebsd", FREEBSD_CHECKS_AT_LEAST);

        assertEquals(Map.of(), report.failed());
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void peerDiffersFromXenExactlyAsDocumented(int bits) throws IOException, InterruptedException {
        // MKDIR of a new node aborts QEMU 10.0.2.
        String output =
                new GuestRunner(lab.machine(), RUN_LIMIT_SECONDS)
                        .run(
                                new Vmm.Peer(lab.images().qemu()),
                                guests.hypercalls(bits),
                                "skip=xenstore.mkdir",
                                2);
        CheckReport report = report(output, PEER_CHECKS_AT_LEAST);

        KnownDifferences.assertExactly(
                report, "peer-differences-" + bits + ".txt", "peer-differences-grants.txt");
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void oursAnswersRowsAsXenDoesExceptAsDocumented(int bits)
            throws IOException, InterruptedException {
        List<String> options =
                List.of(
                        "--kernel",
                        guest(bits),
                        "--append",
                        ROWS,
                        "--memory",
                        "256M",
                        "--vcpus",
                        "2");
        try (LabGuest guest = LabDaemon.shared(lab).boot("serial", "rows", options)) {
            assertEquals(
                    documentedRows("ours-rows.txt"),
                    otherAnswers(guest.awaitEnd("poweroff"), bits));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void peerAnswersRowsOtherwiseExactlyAsDocumented(int bits)
            throws IOException, InterruptedException {
        String output =
                new GuestRunner(lab.machine(), RUN_LIMIT_SECONDS)
                        .run(
                                new Vmm.Peer(lab.images().qemu()),
                                guests.hypercalls(bits),
                                ROWS + " spare",
                                2);
        assertEquals(documentedRows("peer-rows-" + bits + ".txt"), otherAnswers(output, bits));
    }

    private static String documentedRows(String list) throws IOException {
        return String.join("\n", KnownDifferences.lines(list));
    }

    /// The rows that were answered otherwise than by Xen.
    private static String otherAnswers(String output, int bits) throws IOException {
        HypercallRows made = HypercallRows.made(output);
        assertTrue(made.answers().size() >= ROWS_AT_LEAST, output);
        return HypercallRows.expected(MODULE, bits).differences(made);
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void tripleFaultEndsTheDomainAndIsReported(int bits) throws IOException, InterruptedException {
        List<String> options =
                List.of("--no-reboot", "--append", "triple-fault", "--kernel", guest(bits));
        try (LabGuest guest = LabDaemon.shared(lab).boot("triple", options)) {
            guest.awaitEnd("triple fault");
        }
    }

    @Test
    void runEndsWith5AfterATripleFault() throws IOException, InterruptedException {
        RunningCommand run =
                lab.xenEmuRun(
                        List.of(
                                "--no-reboot",
                                "--console",
                                "none",
                                "--append",
                                "triple-fault",
                                "--kernel",
                                guest(64)));
        run.closeInput();
        assertEquals(5, run.awaitExit(), run.output());
        assertTrue(run.output().contains("triple fault"), run.output());
    }

    private String guest(int bits) {
        return guests.hypercalls(bits).toString();
    }
}
