package io.xenemu.core.service;

import com.google.common.net.HostAndPort;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.composite.CompositeMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.metrics.MetricsServer;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/// A service's meters, and the server that shows them if an address is given. Otherwise nothing is recorded.
final class ServiceMetrics implements AutoCloseable {
    private final MeterRegistry registry;
    private final @Nullable MetricsServer server;

    private ServiceMetrics(MeterRegistry registry, @Nullable MetricsServer server) {
        this.registry = registry;
        this.server = server;
    }

    /// Starts to serve.
    ///
    /// @throws HostException if the address is not available
    static ServiceMetrics open(@Nullable HostAndPort address) throws HostException {
        if (address == null) {
            return new ServiceMetrics(new CompositeMeterRegistry(), null);
        }
        PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        try {
            InetSocketAddress at = new InetSocketAddress(address.getHost(), address.getPort());
            return new ServiceMetrics(registry, new MetricsServer(at, registry));
        } catch (IOException e) {
            registry.close();
            throw new HostException("--metrics " + address + ": " + IoReason.of(e), e);
        } catch (IllegalArgumentException e) {
            registry.close();
            throw new HostException("--metrics " + address + ": " + e.getMessage(), e);
        }
    }

    MeterRegistry registry() {
        return registry;
    }

    @Override
    public void close() {
        if (server != null) {
            server.close();
        }
        registry.close();
    }
}
