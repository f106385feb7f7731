package io.xenemu.core.cli;

import com.google.common.net.HostAndPort;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The options of connections by TLS 1.3, on which both sides show a certificate.
final class TlsOptions {
    /// The longest handshake.
    private static final Duration HANDSHAKE_LIMIT = Duration.ofSeconds(10);

    @Option(
            names = "--tls-cert",
            paramLabel = "FILE",
            description =
                    "This host's certificate, PEM; certificates between it and the CA follow it.")
    private @Nullable Path certificate;

    @Option(
            names = "--tls-key",
            paramLabel = "FILE",
            description = "Its private key, PEM (PKCS #8).")
    private @Nullable Path key;

    @Option(
            names = "--tls-ca",
            paramLabel = "FILE",
            description =
                    "The certificates, PEM, of which one has to have signed the other host's.")
    private @Nullable Path authorities;

    @Option(
            names = "--plain",
            description =
                    "Connect without TLS, beyond this host too: everybody on the way reads the guest's memory.")
    private boolean plain;

    /// Whether a destination is an address with a port.
    boolean isAddress(String host) {
        try {
            return HostAndPort.fromString(host).hasPort();
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /// What both sides show and check; null without TLS.
    ///
    /// @throws HostException if the options do not fit, or a file cannot be used
    private @Nullable TlsIdentity identity(InetAddress address) throws HostException {
        Path ownCertificate = certificate;
        Path ownKey = key;
        Path trusted = authorities;
        if (ownCertificate != null && ownKey != null && trusted != null) {
            return TlsIdentity.of(ownCertificate, ownKey, trusted);
        }
        if (ownCertificate != null || ownKey != null || trusted != null) {
            throw new HostException("--tls-cert, --tls-key and --tls-ca belong together");
        }
        if (!plain && !address.isLoopbackAddress()) {
            throw new HostException(
                    "--tls-cert, --tls-key and --tls-ca are missing; --plain connects without TLS");
        }
        return null;
    }

    /// Connects, and checks the other host's certificate, name and all.
    ///
    /// @throws HostException if that fails
    Carrier connect(String to) throws HostException {
        HostAndPort address = HostAndPort.fromString(to);
        try {
            InetAddress host = InetAddress.getByName(address.getHost());
            TlsIdentity identity = identity(host);
            Socket socket = new Socket(host, address.getPort());
            return secured(
                    socket, identity == null ? null : identity.client(socket, address.getHost()));
        } catch (IOException e) {
            throw new HostException(to + ": " + IoReason.of(e), e);
        }
    }

    private static Carrier secured(Socket socket, @Nullable SSLSocket tls) throws IOException {
        socket.setTcpNoDelay(true);
        if (tls == null) {
            return Carrier.of(socket);
        }
        boolean done = false;
        try {
            socket.setSoTimeout(Math.toIntExact(HANDSHAKE_LIMIT.toMillis()));
            tls.startHandshake();
            socket.setSoTimeout(0);
            done = true;
            return Carrier.of(tls);
        } finally {
            if (!done) {
                socket.close();
            }
        }
    }

    /// Waits for connections of hosts with a right certificate, for ever.
    ///
    /// @param at `[HOST:]PORT`
    /// @param work gets each on a thread of its own
    /// @throws HostException if that cannot be done
    void listen(String at, Consumer<Carrier> work) throws HostException {
        HostAndPort address =
                at.matches("[0-9]+")
                        ? HostAndPort.fromParts("::", Integer.parseInt(at))
                        : HostAndPort.fromString(at);
        try {
            InetAddress host = InetAddress.getByName(address.getHost());
            TlsIdentity identity = identity(host);
            try (ServerSocket server = identity == null ? new ServerSocket() : identity.server()) {
                server.bind(new InetSocketAddress(host, address.getPort()));
                System.out.println("listening at port " + server.getLocalPort());
                while (true) {
                    serve(server.accept(), server instanceof SSLServerSocket, work);
                }
            }
        } catch (IOException | IllegalArgumentException e) {
            throw new HostException(at + ": " + e.getMessage(), e);
        }
    }

    private static void serve(Socket client, boolean isTls, Consumer<Carrier> work) {
        Thread _ =
                Thread.ofPlatform()
                        .daemon()
                        .name("migration-" + client.getPort())
                        .start(() -> {
                            try {
                                work.accept(secured(client, isTls ? (SSLSocket) client : null));
                            } catch (IOException e) {
                                System.err.println(
                                        "xen-emu: %s: %s"
                                                .formatted(
                                                        client.getInetAddress().getHostAddress(),
                                                        e.getMessage()));
                            }
                        });
    }
}
