package io.xenemu.core.cli;

import com.google.common.net.HostAndPort;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.web.AccessTokens;
import io.xenemu.core.web.ControlledService;
import io.xenemu.core.web.Role;
import io.xenemu.core.web.WebServer;
import io.xenemu.core.web.WebSettings;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// The page of a service.
@Command(
        name = "web",
        description = "Serve a page that shows the guests of a service, for browsers.",
        sortOptions = false,
        usageHelpAutoWidth = true,
        mixinStandardHelpOptions = true)
final class WebCommand implements Callable<Integer> {
    @Mixin private ServiceOption service = new ServiceOption();

    @Option(
            names = "--listen",
            paramLabel = "HOST:PORT",
            defaultValue = "127.0.0.1:8066",
            converter = MetricsAddress.class,
            description =
                    "Address of the page. Beyond this machine only with TLS. Default: ${DEFAULT-VALUE}.")
    private HostAndPort listen = HostAndPort.fromParts("127.0.0.1", 0);

    @Option(
            names = "--token-file",
            paramLabel = "FILE",
            description =
                    "The tokens of readers and operators, mode 0600. Made, and shown once, if it is missing."
                            + " Default: ~/.config/xen-emu/web-tokens.")
    private Path tokens =
            Path.of(System.getProperty("user.home"), ".config", "xen-emu", "web-tokens");

    @Option(
            names = "--name",
            paramLabel = "NAME",
            description =
                    "A name by which browsers may call this server; may be repeated. localhost and the address are allowed.")
    private List<String> names = new ArrayList<>();

    @Option(
            names = "--tls-cert",
            paramLabel = "FILE",
            description =
                    "This server's certificate, PEM; certificates between it and the CA follow it.")
    private @Nullable Path certificate;

    @Option(
            names = "--tls-key",
            paramLabel = "FILE",
            description = "Its private key, PEM (PKCS #8).")
    private @Nullable Path key;

    @Override
    public Integer call() throws HostException, InterruptedException {
        InetSocketAddress address = new InetSocketAddress(listen.getHost(), listen.getPort());
        if (address.isUnresolved()) {
            throw new HostException("no address for " + listen.getHost());
        }
        SSLContext tls = tls(address.getAddress());
        AccessTokens access = AccessTokens.of(tokens);
        WebSettings settings =
                new WebSettings(address, tls, allowed(address), access, Path.of("/proc"));
        CountDownLatch ended = new CountDownLatch(1);
        try (WebServer server = server(settings)) {
            ProcessSignals.handle("INT", ended::countDown);
            ProcessSignals.handle("TERM", ended::countDown);
            String host = HostAndPort.fromParts(listen.getHost(), server.port()).toString();
            String page = (tls == null ? "http://" : "https://") + host + "/";
            System.out.println("serving " + page);
            if (access.isNew()) {
                System.out.println("for readers: " + page + "#token=" + access.token(Role.READER));
                System.out.println(
                        "for operators: " + page + "#token=" + access.token(Role.OPERATOR));
            }
            ended.await();
        }
        return 0;
    }

    private WebServer server(WebSettings settings) throws HostException {
        try {
            return new WebServer(settings, new ControlledService(service.path()));
        } catch (IOException e) {
            throw new HostException(listen + ": " + IoReason.of(e), e);
        }
    }

    private @Nullable SSLContext tls(InetAddress address) throws HostException {
        Path ownCertificate = certificate;
        Path ownKey = key;
        if (ownCertificate != null && ownKey != null) {
            return TlsIdentity.ofServer(ownCertificate, ownKey).context();
        }
        if (ownCertificate != null || ownKey != null) {
            throw new HostException("--tls-cert and --tls-key belong together");
        }
        if (!address.isLoopbackAddress()) {
            throw new HostException(
                    "--tls-cert and --tls-key are missing: without TLS, only this machine may use the page");
        }
        return null;
    }

    private Set<String> allowed(InetSocketAddress address) {
        Set<String> all = new HashSet<>(WebSettings.LOOPBACK);
        if (!address.getAddress().isAnyLocalAddress()) {
            all.add(listen.getHost().toLowerCase(Locale.ROOT));
        }
        for (String name : names) {
            all.add(name.toLowerCase(Locale.ROOT));
        }
        return all;
    }
}
