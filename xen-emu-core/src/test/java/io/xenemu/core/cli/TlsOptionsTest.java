package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.testing.FreePort;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/// Connections between hosts by TLS: who gets one, and what is sent before.
@Timeout(120)
final class TlsOptionsTest {
    @TempDir private static Path folder = Path.of("");
    private static TestAuthority ours;
    private static TestAuthority others;

    /// Connections that the listening side has taken.
    private final AtomicInteger taken = new AtomicInteger();

    @Command
    private static final class Holder {
        @CommandLine.Mixin private TlsOptions tls = new TlsOptions();
    }

    @BeforeAll
    static void sign() throws Exception {
        ours = new TestAuthority(folder, "ours");
        others = new TestAuthority(folder, "others");
        ours.sign("a", "-1H");
        ours.sign("b", "-1H");
        ours.sign("expired", "-3d");
        others.sign("stranger", "-1H");
    }

    private static TlsOptions options(String... words) {
        Holder holder = new Holder();
        new CommandLine(holder).parseArgs(words);
        return holder.tls;
    }

    private static TlsOptions of(TestAuthority by, String host, TestAuthority trusts) {
        return options(
                "--tls-cert",
                by.certificate(host).toString(),
                "--tls-key",
                by.key(host).toString(),
                "--tls-ca",
                trusts.certificate().toString());
    }

    /// Listens, and echoes what comes.
    private String listen(TlsOptions options) throws IOException {
        int port = FreePort.next();
        Thread _ =
                Thread.ofPlatform()
                        .daemon()
                        .start(() -> {
                            try {
                                options.listen("127.0.0.1:" + port, this::echo);
                            } catch (HostException e) {
                                throw new IllegalStateException(e);
                            }
                        });
        return "127.0.0.1:" + port;
    }

    private void echo(Carrier carrier) {
        try (carrier) {
            taken.incrementAndGet();
            carrier.out().write(carrier.in().readNBytes(3));
            carrier.out().flush();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Carrier connect(TlsOptions options, String address) throws Exception {
        List<Carrier> open = new ArrayList<>();
        Eventually.holds(
                "it listens",
                () -> {
                    try {
                        open.add(options.connect(address));
                        return true;
                    } catch (HostException e) {
                        if (String.valueOf(e.getMessage()).contains("refused")) {
                            return false;
                        }
                        throw new IllegalStateException(e);
                    }
                });
        return open.getFirst();
    }

    private static byte[] exchange(Carrier carrier) throws IOException {
        try (carrier) {
            carrier.out().write(new byte[] {1, 2, 3});
            carrier.out().flush();
            return carrier.in().readAllBytes();
        }
    }

    @Test
    void hostsWithCertificatesOfOneAuthorityConnect() throws Exception {
        String address = listen(of(ours, "b", ours));
        assertArrayEquals(new byte[] {1, 2, 3}, exchange(connect(of(ours, "a", ours), address)));
    }

    /// The client learns of it when it waits for the first answer, before any of the guest is sent.
    @Test
    void strangeAndExpiredClientsAreNotServed() throws Exception {
        String address = listen(of(ours, "b", ours));
        for (TlsOptions wrong : List.of(of(others, "stranger", ours), of(ours, "expired", ours))) {
            assertThrows(Exception.class, () -> exchange(connect(wrong, address)));
        }
        assertEquals(0, taken.get());
    }

    @Test
    void strangeAndExpiredServersAreNotTrusted() throws Exception {
        for (TlsOptions wrong : List.of(of(others, "stranger", ours), of(ours, "expired", ours))) {
            String address = listen(wrong);
            IllegalStateException e =
                    assertThrows(
                            IllegalStateException.class,
                            () -> connect(of(ours, "a", ours), address));
            assertTrue(String.valueOf(e.getMessage()).contains("PKIX"), e.toString());
        }
        assertEquals(0, taken.get());
    }

    @Test
    void clientWithoutTlsIsNotServed() throws Exception {
        String address = listen(of(ours, "b", ours));
        Carrier plain = connect(options(), address);
        // The server's answer is an alert, not an echo.
        assertFalse(Arrays.equals(new byte[] {1, 2, 3}, plainExchange(plain)));
        assertEquals(0, taken.get());
    }

    private static byte[] plainExchange(Carrier carrier) {
        try {
            return exchange(carrier);
        } catch (IOException e) {
            return new byte[0];
        }
    }

    @Test
    void connectionsWithoutTlsStayOnThisHostUnlessThatIsWanted() throws Exception {
        String address = listen(options());
        assertArrayEquals(new byte[] {1, 2, 3}, exchange(connect(options(), address)));
        HostException e =
                assertThrows(HostException.class, () -> options().connect("192.0.2.1:8002"));
        assertTrue(String.valueOf(e.getMessage()).contains("--plain"), e.toString());
        assertThrows(HostException.class, () -> options().listen("0.0.0.0:0", _ -> {}));
    }

    @Test
    void optionsBelongTogether() {
        HostException e =
                assertThrows(
                        HostException.class,
                        () ->
                                options("--tls-cert", ours.certificate("a").toString())
                                        .connect("127.0.0.1:1"));
        assertEquals("--tls-cert, --tls-key and --tls-ca belong together", e.getMessage());
    }

    @Test
    void addressesHaveAPort() {
        assertTrue(options().isAddress("host:8002"));
        assertTrue(options().isAddress("[::1]:8002"));
        assertFalse(options().isAddress("host"));
        assertFalse(options().isAddress("user@host"));
        assertFalse(options().isAddress("::1"));
    }
}
