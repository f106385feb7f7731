package io.xenemu.core.service;

import com.google.common.net.HostAndPort;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.xenemu.core.control.ControlClient;
import io.xenemu.core.control.DomainRow;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.metrics.MetricsServer;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A service's meters, and the server that shows them if an address is given. Otherwise nothing is recorded.
final class ServiceMetrics implements AutoCloseable {
    private final @Nullable HostAndPort address;
    private final MeterRegistry registry;
    private volatile @Nullable MetricsServer server;

    private ServiceMetrics(@Nullable HostAndPort address, MeterRegistry registry) {
        this.address = address;
        this.registry = registry;
    }

    /// Starts to serve.
    ///
    /// @throws HostException if the address is not available
    static ServiceMetrics open(@Nullable HostAndPort address) throws HostException {
        ServiceMetrics metrics = unserved(address);
        boolean done = false;
        try {
            metrics.serve();
            done = true;
            return metrics;
        } finally {
            if (!done) {
                metrics.close();
            }
        }
    }

    /// Meters that nobody sees before [#serve].
    static ServiceMetrics unserved(@Nullable HostAndPort address) {
        if (address == null) {
            return new ServiceMetrics(null, new CompositeMeterRegistry());
        }
        PrometheusMeterRegistry shown = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        shown.getPrometheusRegistry()
                .register(
                        new ProcessCollector(
                                ControlClient.PROGRAM_VERSION,
                                System.getProperty(ControlClient.COMMIT, "unknown")));
        return new ServiceMetrics(address, shown);
    }

    /// Shows the program, and each domain. Does nothing if no meters are recorded.
    ///
    /// @param domains gives those that there are
    void show(Supplier<List<DomainRow>> domains) {
        if (registry instanceof PrometheusMeterRegistry shown) {
            shown.getPrometheusRegistry().register(new DomainCollector(domains));
        }
    }

    /// The service has begun to serve.
    void ready() {
        MetricsServer serving = server;
        if (serving != null) {
            serving.ready();
        }
    }

    /// Serves them at their address, if they have one, and are not served yet.
    ///
    /// @throws HostException if it is not available
    void serve() throws HostException {
        serve(MetricsServer::new);
    }

    /// Serves them at their address, which another process of this service serves too.
    ///
    /// @throws HostException if it is not available: that process may be too old to share it
    void serveBeside() throws HostException {
        serve(MetricsServer::beside);
    }

    private interface Opening {
        MetricsServer open(InetSocketAddress at, PrometheusMeterRegistry shown) throws IOException;
    }

    private void serve(Opening opening) throws HostException {
        if (address == null
                || server != null
                || !(registry instanceof PrometheusMeterRegistry shown)) {
            return;
        }
        try {
            InetSocketAddress at = new InetSocketAddress(address.getHost(), address.getPort());
            server = opening.open(at, shown);
        } catch (IOException e) {
            throw new HostException("--metrics " + address + ": " + IoReason.of(e), e);
        } catch (IllegalArgumentException e) {
            throw new HostException("--metrics " + address + ": " + e.getMessage(), e);
        }
    }

    /// Leaves the address to the next process, which serves it too.
    ///
    /// @param limit the longest wait for clients that are being served
    void leave(Duration limit) throws InterruptedException {
        MetricsServer leaving = server;
        if (leaving != null) {
            leaving.leave(limit);
        }
    }

    MeterRegistry registry() {
        return registry;
    }

    @Override
    public void close() {
        MetricsServer ending = server;
        if (ending != null) {
            ending.close();
        }
        registry.close();
    }
}
