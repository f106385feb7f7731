package io.xenemu.core.machine;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainOrigin;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A VM with its interrupt chips and vCPUs, made before the state of its domain has come: KVM takes longer for these
/// than for all of the state.
final class PreparedVm implements DomainSource.Prepared {
    private final DomainBuilder builder;
    private final DomainConfig config;
    private final VcpuModel model;

    /// Null when a domain has taken it over.
    private @Nullable LocalVm vm;

    /// @param config of the domain that it was made for
    /// @param vm with all vCPUs, none of which has run
    PreparedVm(DomainBuilder builder, DomainConfig config, VcpuModel model, LocalVm vm) {
        this.builder = builder;
        this.config = config;
        this.model = model;
        this.vm = vm;
    }

    @Override
    public Domain restore(SavedDomain saved, Function<Domain, PortBus> devices)
            throws BootException {
        LocalVm prepared = vm;
        if (prepared == null || !fits(saved.origin())) {
            return builder.restore(saved, devices);
        }
        vm = null;
        return builder.restore(saved, devices, model, prepared);
    }

    /// A machine that another hypervisor has built may have other APIC ids.
    private boolean fits(DomainOrigin origin) {
        return origin.config().equals(config) && origin.layout().isEmpty();
    }

    @Override
    public void close() {
        LocalVm unused = vm;
        vm = null;
        if (unused != null) {
            unused.close();
        }
    }
}
