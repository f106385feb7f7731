package io.xenemu.core.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.web.AccessTokens;
import io.xenemu.core.web.ControlledService;
import io.xenemu.core.web.WebServer;
import io.xenemu.core.web.WebSettings;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/// Where the page is served, and how.
@Timeout(120)
final class WebCommandTest {
    @TempDir private Path folder = Path.of("");

    private Path tokens() {
        return folder.resolve("tokens");
    }

    private String refusal(String... words) {
        WebCommand command = new WebCommand();
        CommandLine line = new CommandLine(command);
        line.parseArgs(words);
        return String.valueOf(assertThrows(HostException.class, command::call).getMessage());
    }

    @Test
    void otherMachinesAreNotServedWithoutTls() {
        for (String address : new String[] {"0.0.0.0:0", "[::]:0", "192.0.2.1:0"}) {
            String file = tokens().toString();
            assertTrue(
                    refusal("--listen", address, "--token-file", file)
                            .startsWith("--tls-cert and --tls-key are missing"));
        }
        assertFalse(Files.exists(tokens()));
    }

    @Test
    void certificateAndKeyBelongTogether() {
        assertEquals(
                "--tls-cert and --tls-key belong together",
                refusal("--listen", "127.0.0.1:0", "--tls-cert", "c.pem"));
        assertEquals(
                "--tls-cert and --tls-key belong together",
                refusal("--listen", "127.0.0.1:0", "--tls-key", "k.pem"));
    }

    @Test
    void onlyTls13IsServed() throws Exception {
        TestAuthority authority = new TestAuthority(folder, "ours");
        authority.sign("a", "-1H");
        SSLContext own =
                TlsIdentity.ofServer(authority.certificate("a"), authority.key("a")).context();
        WebSettings settings =
                new WebSettings(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                        own,
                        WebSettings.LOOPBACK,
                        AccessTokens.of(tokens()),
                        Path.of("/proc"));
        SSLContext browser =
                TlsIdentity.of(
                                authority.certificate("a"),
                                authority.key("a"),
                                authority.certificate())
                        .context();
        try (WebServer server =
                new WebServer(settings, new ControlledService(folder.resolve("none")))) {
            try (SSLSocket old = connect(browser, server.port(), "TLSv1.2")) {
                assertThrows(SSLHandshakeException.class, old::startHandshake);
            }
            try (SSLSocket socket = connect(browser, server.port(), "TLSv1.3")) {
                socket.startHandshake();
                assertEquals("TLSv1.3", socket.getSession().getProtocol());
            }
        }
    }

    private static SSLSocket connect(SSLContext context, int port, String protocol)
            throws Exception {
        SSLSocket socket =
                (SSLSocket)
                        context.getSocketFactory()
                                .createSocket(InetAddress.getLoopbackAddress(), port);
        socket.setEnabledProtocols(new String[] {protocol});
        return socket;
    }
}
