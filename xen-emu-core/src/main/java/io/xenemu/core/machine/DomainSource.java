package io.xenemu.core.machine;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootModule;
import io.xenemu.core.boot.KernelImage;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.kvm.abi.DomId;
import java.util.List;
import java.util.function.Function;

/// The source of a hypervisor's domains. [DomainBuilder] builds them on the host's KVM, and tests build domains that
/// run no code.
public interface DomainSource {
    /// Builds a domain; its vCPUs are not started.
    ///
    /// @param devices makes the devices in its I/O space
    /// @throws BootException when the kernel does not fit
    Domain build(
            DomId id,
            DomainConfig config,
            KernelImage kernel,
            List<BootModule> modules,
            String commandLine,
            Function<Domain, PortBus> devices)
            throws BootException;

    /// Checks that a domain's processor can be offered.
    ///
    /// @param config with the policy that it was offered elsewhere
    /// @throws BootException when this host cannot do that
    void requireOffer(DomainConfig config) throws BootException;

    /// Checks that a domain's time stamp counter can run at a frequency.
    ///
    /// @throws BootException when this host's processor cannot do that
    void requireTsc(int khz) throws BootException;

    /// Makes what a saved domain needs and what does not depend on its state, while its guest still runs elsewhere.
    ///
    /// @param config the domain's configuration as far as it is known
    /// @throws BootException when this host cannot run it
    Prepared prepare(DomainConfig config) throws BootException;

    /// Makes nothing before a saved domain's state has come. [Prepared#restore] is [#restore] then.
    default Prepared unprepared() {
        DomainSource source = this;
        return new Prepared() {
            @Override
            public Domain restore(SavedDomain saved, Function<Domain, PortBus> devices)
                    throws BootException {
                return source.restore(saved, devices);
            }

            @Override
            public void close() {
                // There is nothing.
            }
        };
    }

    /// What was made for one saved domain, and waits for its state. Nothing of it can be seen elsewhere. For one
    /// thread.
    interface Prepared extends AutoCloseable {
        /// Builds the domain, as [DomainSource#restore]. What was made does not fit one whose configuration has changed
        /// since; then all of it is made anew.
        Domain restore(SavedDomain saved, Function<Domain, PortBus> devices) throws BootException;

        /// Frees what no domain has taken over.
        @Override
        void close();
    }

    /// Builds a saved domain again; its vCPUs are not started.
    ///
    /// @param devices makes the devices in its I/O space
    /// @throws BootException when this host cannot run it
    /// @throws IllegalArgumentException if the state contradicts itself
    Domain restore(SavedDomain saved, Function<Domain, PortBus> devices) throws BootException;

    /// Builds a domain of a guest that has suspended itself under another hypervisor; its vCPUs are not started.
    ///
    /// @param devices makes the devices in its I/O space
    /// @throws BootException when this host cannot run it
    /// @throws IllegalArgumentException if the state contradicts itself
    Domain resume(ImportedDomain imported, Function<Domain, PortBus> devices) throws BootException;

    /// Builds a domain for a VM that an attached VMM has made; its vCPUs are not started.
    ///
    /// @param devices makes the devices in its I/O space that are not the VMM's
    /// @throws BootException when the VM cannot be a domain
    Domain attach(AttachedDomain attached, Function<Domain, PortBus> devices) throws BootException;
}
