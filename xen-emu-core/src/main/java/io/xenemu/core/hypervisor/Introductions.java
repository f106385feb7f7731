package io.xenemu.core.hypervisor;

import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.OwnPart;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.toolstack.DomainDescription;
import io.xenemu.core.toolstack.DomainDescription.SharedRing;
import io.xenemu.core.toolstack.DomainNodes;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/// Domains in XenStore: introduces each with the nodes that xl gives a domain, and removes both at its end. A domain
/// has devices from its introduction on.
public final class Introductions {
    private final XenStoreServer xenstore;
    private final StoreChannels channels;
    private final ServicePorts ports;
    private final DomainDevices devices;
    private final Map<DomId, DomainDescription> descriptions = new ConcurrentHashMap<>();

    /// Writes the nodes of the host.
    ///
    /// @param channels those that the store asks for rings
    /// @param ports domain 0's
    /// @param devices of the domains
    Introductions(
            XenStoreServer xenstore,
            StoreChannels channels,
            ServicePorts ports,
            DomainDevices devices) {
        this.xenstore = xenstore;
        this.channels = channels;
        this.ports = ports;
        this.devices = devices;
        write(DomainNodes::writeHost);
    }

    /// Makes the channel by which a new domain will reach XenStore, and tells the guest of it.
    public StoreChannel channel(Domain domain) {
        StoreChannel store =
                new StoreChannel(
                        domain.id(),
                        domain.eventChannels(),
                        domain.special().xenstore(),
                        ports,
                        failure(domain),
                        new TracedRequests(domain));
        domain.params().set(HvmParams.STORE_PFN, GuestMemoryMap.XENSTORE_GFN);
        domain.params().set(HvmParams.STORE_EVTCHN, store.guestPort().value());
        return store;
    }

    /// Makes that channel again for a restored domain.
    ///
    /// @param guestPort that was connected when the domain was saved, or [EvtchnPort#NONE]
    public StoreChannel channel(Domain domain, EvtchnPort guestPort) {
        return new StoreChannel(
                domain.id(),
                guestPort,
                domain.special().xenstore(),
                ports,
                failure(domain),
                new TracedRequests(domain));
    }

    private static Consumer<Throwable> failure(Domain domain) {
        return e -> domain.failed("the XenStore connection of " + domain.id(), e);
    }

    /// Connects a domain that was made to XenStore, with the nodes that xl gives a domain.
    ///
    /// @param onlineVcpus how many of its vCPUs the guest is to use at first
    public void introduce(
            Domain domain, int onlineVcpus, StoreChannel store, ConsoleChannel console) {
        introduce(domain, onlineVcpus, domain.config().memoryBytes(), store, console);
    }

    /// Connects a domain to XenStore in the same way.
    ///
    /// @param memory bytes that it is to have
    public void introduce(
            Domain domain,
            int onlineVcpus,
            long memory,
            StoreChannel store,
            ConsoleChannel console) {
        introduceAgain(domain, onlineVcpus, memory, store, console);
        addParts(domain);
    }

    /// Takes a domain from XenStore with all its nodes, before its soft reset. It does not run.
    public void disconnect(Domain domain) {
        end(domain.id());
        removeNodes(domain.id());
    }

    /// Connects a domain again after [#disconnect].
    ///
    /// @param onlineVcpus how many of its vCPUs the guest is to use at first
    /// @param memory bytes that it is to have
    public void introduceAgain(
            Domain domain,
            int onlineVcpus,
            long memory,
            StoreChannel store,
            ConsoleChannel console) {
        connect(describe(domain, onlineVcpus, memory, store, console), store);
    }

    private void connect(DomainDescription description, StoreChannel store) {
        descriptions.put(description.domain(), description);
        write(nodes -> nodes.write(description));
        channels.put(description.domain(), store);
        store.introduce(xenstore);
    }

    /// Connects a restored domain to XenStore, where its nodes and its connection are as they were.
    ///
    /// @param state the domain's saved state of the store
    /// @throws Refused if this store cannot take the state over
    public void reintroduce(
            Domain domain, StoreChannel store, ConsoleChannel console, XenStoreState state)
            throws Refused {
        try {
            store.restore(xenstore, state);
        } catch (XenError e) {
            throw contradiction(domain.config().name(), "XenStore refuses: " + e.symbol());
        }
        channels.put(domain.id(), store);
        // To remove its nodes, which say how many vCPUs are online.
        DomainConfig config = domain.config();
        descriptions.put(
                domain.id(),
                describe(domain, config.vcpus(), config.memoryBytes(), store, console));
        addParts(domain);
    }

    /// The refusal of a saved domain whose state cannot be.
    static Refused contradiction(String name, String what) {
        return new Refused("the saved state of %s cannot be used: %s".formatted(name, what));
    }

    /// The channel of a domain that is introduced.
    private StoreChannel introduced(Domain domain) {
        return Objects.requireNonNull(channels.get(domain.id()), domain::toString);
    }

    private void addParts(Domain domain) {
        domain.add(
                new OwnPart(
                        "xenstore",
                        () -> introduced(domain).hold(),
                        () -> introduced(domain).proceed(),
                        _ ->
                                introduced(domain).isIntroduced()
                                        ? Optional.empty()
                                        : Optional.of("a tool has released it from XenStore"),
                        () ->
                                new PartState.Saved(
                                        XenStoreCodec.TYPE,
                                        XenStoreCodec.VERSION,
                                        XenStoreCodec.encode(introduced(domain).save(xenstore))),
                        OwnPart.NOTHING));
        devices.addTo(domain);
    }

    private static DomainDescription describe(
            Domain domain,
            int onlineVcpus,
            long memory,
            StoreChannel store,
            ConsoleChannel console) {
        DomainConfig config = domain.config();
        return new DomainDescription(
                domain.id(),
                config.uuid(),
                config.name(),
                Instant.now(),
                config.maxMemoryBytes() >> 10,
                memory >> 10,
                0,
                config.vcpus(),
                onlineVcpus,
                new SharedRing(GuestMemoryMap.XENSTORE_GFN, store.guestPort().value()),
                new SharedRing(GuestMemoryMap.CONSOLE_GFN, console.guestPort().value()),
                "");
    }

    private interface NodeChange {
        void apply(DomainNodes nodes) throws XenError;
    }

    /// The toolstack's own changes are within every limit.
    private void write(NodeChange change) {
        try (XenStoreClient client = xenstore.client()) {
            change.apply(new DomainNodes(client));
        } catch (XenError e) {
            throw new IllegalStateException("XenStore refused the toolstack", e);
        }
    }

    /// Ends a domain's connection. From here on no tool can introduce it again: one that does so now is done before the
    /// release.
    void end(DomId domain) {
        Teardown steps = new Teardown();
        StoreChannel store = channels.get(domain);
        if (store != null) {
            steps.add(store::close);
        }
        steps.add(() -> xenstore.release(domain));
        steps.add(() -> channels.remove(domain));
        steps.close();
    }

    /// Gives the nodes of a domain its new name and UUID. If XenStore refuses, for example because a tool has removed
    /// them, they stay as they are.
    ///
    /// @throws XenError the error of XenStore
    void rename(Domain domain) throws XenError {
        DomainDescription before = descriptions.get(domain.id());
        if (before == null) {
            return;
        }
        DomainDescription after = before.renamed(domain.config().uuid(), domain.config().name());
        try (XenStoreClient client = xenstore.client()) {
            new DomainNodes(client).rename(before, after);
        }
        descriptions.put(domain.id(), after);
    }

    /// Removes the nodes that a domain was given at its introduction, if it was introduced.
    void removeNodes(DomId domain) {
        DomainDescription description = descriptions.remove(domain);
        if (description != null) {
            write(nodes -> nodes.remove(description));
        }
    }
}
