package io.xenemu.core.hypervisor;

import io.micrometer.core.instrument.MeterRegistry;
import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.EngineThreads;
import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineId;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootModule;
import io.xenemu.core.boot.KernelImage;
import io.xenemu.core.device.PortBus;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainEnvironment;
import io.xenemu.core.host.HostMemory;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.hypercall.HypercallTable;
import io.xenemu.core.jfr.FlightRecorderTap;
import io.xenemu.core.machine.AttachedDomain;
import io.xenemu.core.machine.DomainBuilder;
import io.xenemu.core.machine.DomainSource;
import io.xenemu.core.machine.ImportedDomain;
import io.xenemu.core.machine.SavedDomain;
import io.xenemu.core.memory.HostResources;
import io.xenemu.core.toolstack.DriverBlacklist;
import io.xenemu.core.toolstack.GuestControls;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.PortAccount;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.gnttab.GrantTable;
import io.xenemu.gnttab.ServiceGrants;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Xen and domain 0 for the domains of this process. It gives out domain ids, and owns the XenStore and the event
/// channels of the back ends.
public final class Hypervisor implements AutoCloseable {
    private final DomainDirectory domains = new DomainDirectory();
    private final DomainIds ids;
    private final ServicePorts servicePorts;
    private final ServiceGrants serviceGrants;
    private final HostResources resources = HostResources.ofThisHost();
    private final PortAccount ports = PortAccount.ofThisHeap();
    private final MemoryAdmission memory = new MemoryAdmission(HostMemory.ofThisHost()::available);
    private final XenStoreServer xenstore;
    private final Introductions introductions;
    private final EventBoard events = new EventBoard();
    private final GuestControls controls;
    private final DriverBlacklist blacklist;
    private final Engines engines;
    private final DomainDevices devices;
    private final MemoryTargets memoryTargets;
    private final DomainSource source;
    private final TracePoints traces;
    private final MeterRegistry meters;
    private final FlightRecorderTap recordings;
    private final SaveMetrics saves;
    private final MigrationMetrics migrations;
    private final UpdateMetrics updates;
    private final EndMetrics ends;

    /// Makes a hypervisor whose domains run on the host's KVM.
    ///
    /// @param quotas limits of what a guest may have in XenStore
    public Hypervisor(HostKvm kvm, MeterRegistry registry, Quotas quotas) {
        this(kvm, registry, quotas, defaultEngines(), DomainIdPolicy.XEN);
    }

    /// Makes a hypervisor whose domains run on the host's KVM.
    ///
    /// @param quotas limits of what a guest may have in XenStore
    /// @param engines the engines that serve devices
    /// @param domids the policy for the ids of its domains
    public Hypervisor(
            HostKvm kvm,
            MeterRegistry registry,
            Quotas quotas,
            List<EngineSpec> engines,
            DomainIdPolicy domids) {
        this(kvm, new TracePoints(), registry, quotas, engines, domids);
    }

    private Hypervisor(
            HostKvm kvm,
            TracePoints traces,
            MeterRegistry registry,
            Quotas quotas,
            List<EngineSpec> engines,
            DomainIdPolicy domids) {
        this(
                environment ->
                        new DomainBuilder(
                                kvm.system(),
                                kvm.capabilities(),
                                environment,
                                HypercallTable.standard(),
                                traces),
                traces,
                registry,
                quotas,
                ServedKinds.of(registry),
                engines,
                domids);
    }

    private static List<EngineSpec> defaultEngines() {
        return EngineSpec.withDefaults(List.of(), Runtime.getRuntime().availableProcessors());
    }

    /// @param newSource makes the source of the domains from the parts that they share
    /// @param quotas limits of what a guest may have in XenStore
    public Hypervisor(
            Function<DomainEnvironment, DomainSource> newSource,
            MeterRegistry registry,
            Quotas quotas) {
        this(newSource, registry, quotas, List.of());
    }

    /// @param newSource makes the source of the domains from the parts that they share
    /// @param quotas limits of what a guest may have in XenStore
    /// @param kinds the devices that the service serves
    public Hypervisor(
            Function<DomainEnvironment, DomainSource> newSource,
            MeterRegistry registry,
            Quotas quotas,
            List<BackendKind> kinds) {
        this(
                newSource,
                new TracePoints(),
                registry,
                quotas,
                kinds,
                defaultEngines(),
                DomainIdPolicy.XEN);
    }

    private Hypervisor(
            Function<DomainEnvironment, DomainSource> newSource,
            TracePoints traces,
            MeterRegistry registry,
            Quotas quotas,
            List<BackendKind> kinds,
            List<EngineSpec> engineSpecs,
            DomainIdPolicy domids) {
        this.traces = traces;
        this.meters = registry;
        ids = new DomainIds(domids, domains::contains, new SplittableRandom());
        engines = new Engines(engineSpecs, registry);
        recordings = new FlightRecorderTap(traces);
        saves = new SaveMetrics(registry);
        migrations = new MigrationMetrics(registry);
        updates = new UpdateMetrics(registry);
        ends = new EndMetrics(registry);
        servicePorts = new ServicePorts(this::eventChannels, registry);
        StoreChannels channels = new StoreChannels(domains::contains);
        xenstore =
                new XenStoreServer(quotas, channels, new XenStoreMetrics(registry), Runnable::run);
        controls = new GuestControls(xenstore);
        blacklist = new DriverBlacklist(xenstore);
        devices =
                new DomainDevices(
                        domains,
                        events,
                        xenstore,
                        servicePorts,
                        new EngineThreads(engines),
                        registry,
                        kinds);
        introductions = new Introductions(xenstore, channels, servicePorts, devices);
        memoryTargets = new MemoryTargets(xenstore);
        DomainEnvironment environment =
                new DomainEnvironment(
                        registry,
                        this::eventChannels,
                        servicePorts,
                        this::grantTable,
                        resources,
                        ports);
        serviceGrants = new ServiceGrants(this::grantTable, registry);
        resources.register(registry);
        ports.register(registry);
        source = newSource.apply(environment);
    }

    /// The meters of saves and restores.
    public SaveMetrics saveMetrics() {
        return saves;
    }

    /// The meters of the ends of domains.
    public EndMetrics endMetrics() {
        return ends;
    }

    /// The meters of live updates.
    public UpdateMetrics updateMetrics() {
        return updates;
    }

    /// The meters of migrations.
    public MigrationMetrics migrationMetrics() {
        return migrations;
    }

    /// The XenStore of all domains.
    public XenStoreServer xenstore() {
        return xenstore;
    }

    /// The nodes in XenStore by which its guests are told what to do.
    public GuestControls controls() {
        return controls;
    }

    /// The PV drivers that its guests are not to load.
    public DriverBlacklist blacklist() {
        return blacklist;
    }

    /// The events of its domains.
    public EventBoard events() {
        return events;
    }

    /// Its domains as an operator's commands use them.
    public OperatedDomains operated() {
        return domains;
    }

    /// The meters of its domains.
    public MeterRegistry meters() {
        return meters;
    }

    /// The places where its domains' hypercalls can be recorded.
    public TracePoints traces() {
        return traces;
    }

    /// Its domains in XenStore.
    public Introductions introductions() {
        return introductions;
    }

    /// The devices of its domains.
    public DomainDevices devices() {
        return devices;
    }

    /// The engines that serve devices.
    public Engines engines() {
        return engines;
    }

    /// The map of engines that a domain has now.
    public EngineMap engineMap(Domain domain) {
        DomainEngines own = engines.find(domain.id());
        return own == null ? EngineMap.DEFAULT : own.map();
    }

    /// The guests' shares of the host's memory.
    public MemoryAdmission memory() {
        return memory;
    }

    /// The memory that its domains are to have.
    public MemoryTargets memoryTargets() {
        return memoryTargets;
    }

    /// Domain 0's event channels.
    public ServicePorts servicePorts() {
        return servicePorts;
    }

    private @Nullable EventChannels eventChannels(DomId id) {
        if (id.equals(DomId.DOM0)) {
            return servicePorts.channels();
        }
        Domain domain = domains.find(id);
        return domain == null ? null : domain.eventChannels();
    }

    private @Nullable GrantTable grantTable(DomId id) {
        if (id.equals(DomId.DOM0)) {
            return serviceGrants.table();
        }
        Domain domain = domains.find(id);
        return domain == null ? null : domain.grantTable();
    }

    /// Makes a domain with all engines: see the other method of this name.
    ///
    /// @throws BootException when the kernel does not fit
    public Domain create(
            DomainConfig config,
            KernelImage kernel,
            List<BootModule> modules,
            String commandLine,
            Function<Domain, PortBus> devices,
            DomainDriver driver)
            throws BootException {
        return create(
                null, config, kernel, modules, commandLine, devices, driver, EngineMap.DEFAULT);
    }

    /// Makes a domain. It is neither started nor connected to XenStore. Several may be made at once: the files of one
    /// may be on a slow disk.
    ///
    /// @param wanted its id; null for the next one of the service's policy
    /// @param devices makes the devices that it sees in its I/O space
    /// @param driver takes the operator's orders for it
    /// @param map of the engines that serve its devices
    /// @throws BootException when the kernel does not fit, the id is in use, or the service does not have an engine of
    ///     the map
    public Domain create(
            @Nullable DomId wanted,
            DomainConfig config,
            KernelImage kernel,
            List<BootModule> modules,
            String commandLine,
            Function<Domain, PortBus> devices,
            DomainDriver driver,
            EngineMap map)
            throws BootException {
        return make(
                wanted,
                id -> source.build(id, config, kernel, modules, commandLine, devices),
                driver,
                map);
    }

    /// Checks that a domain of another host could be made here.
    ///
    /// @param id that it has
    /// @param config its configuration, with the processor that it was offered
    /// @throws Refused if the id is in use
    /// @throws BootException when this host cannot offer the processor
    public void requireRoomFor(DomId id, DomainConfig config) throws BootException, Refused {
        ids.requireFree(id);
        source.requireOffer(config);
    }

    /// Checks that a domain's time stamp counter can run here at the frequency that it has on another host.
    ///
    /// @throws BootException when this host's processor cannot do that
    public void requireTsc(int khz) throws BootException {
        source.requireTsc(khz);
    }

    /// The last domain id that was given out in order.
    public int lastDomainId() {
        return ids.last();
    }

    /// Gives out ids behind one that another process of this service has given out.
    ///
    /// @param given its [#lastDomainId]
    public void goOnAfterDomainId(int given) {
        ids.goOnAfter(given);
    }

    /// Gives a domain another name for an operator for a while. The guest does not see it.
    public void call(Domain domain, String name) {
        domains.call(domain, name);
    }

    /// Makes what a saved domain needs before its state has come.
    ///
    /// @param config as far as it is known
    /// @throws BootException when the domain cannot be had on this host
    public DomainSource.Prepared prepare(DomainConfig config) throws BootException {
        return source.prepare(config);
    }

    /// Makes nothing before a saved domain's state has come.
    public DomainSource.Prepared unprepared() {
        return source.unprepared();
    }

    /// Makes a domain again that was saved, with its id. It is neither started nor connected to XenStore.
    ///
    /// @param prepared what was made for it
    /// @param devices makes the devices that it sees in its I/O space
    /// @param driver takes the operator's orders for it
    /// @param map of the engines that serve its devices
    /// @throws Refused if the id is in use, the state contradicts itself, or the service does not have an engine of the
    ///     map
    /// @throws BootException when the domain cannot be had on this host
    public Domain restore(
            SavedDomain saved,
            DomainSource.Prepared prepared,
            Function<Domain, PortBus> devices,
            DomainDriver driver,
            EngineMap map)
            throws BootException, Refused {
        requireEngines(map);
        DomId id = saved.origin().id();
        ids.claim(id);
        String name = saved.origin().config().name();
        return restoreTaken(id, name, _ -> saved, prepared, devices, driver, map);
    }

    /// Makes a domain of a saved one, with the next id of the policy. [#restore] has the other parameters.
    ///
    /// @param name of the new domain
    /// @param saved gives the state for an id
    /// @throws Refused as [#restore], or if all ids are in use
    public Domain restoreAs(
            String name,
            Function<DomId, SavedDomain> saved,
            Function<Domain, PortBus> devices,
            DomainDriver driver,
            EngineMap map)
            throws BootException, Refused {
        requireEngines(map);
        return restoreTaken(ids.next(), name, saved, unprepared(), devices, driver, map);
    }

    private void requireEngines(EngineMap map) throws Refused {
        Optional<EngineId> missing = engines.missing(map);
        if (missing.isPresent()) {
            throw new Refused(noEngine(missing.get()));
        }
    }

    /// @param id which has been taken; it is released
    private Domain restoreTaken(
            DomId id,
            String name,
            Function<DomId, SavedDomain> saved,
            DomainSource.Prepared prepared,
            Function<Domain, PortBus> devices,
            DomainDriver driver,
            EngineMap map)
            throws BootException, Refused {
        try {
            return made(prepared.restore(saved.apply(id), devices), driver, map);
        } catch (IllegalArgumentException e) {
            throw Introductions.contradiction(name, String.valueOf(e.getMessage()));
        } finally {
            ids.release(id);
        }
    }

    /// Makes a domain of a guest that has suspended itself under another hypervisor. It is neither started nor
    /// connected to XenStore, and has the next id of the service's policy.
    ///
    /// @param imported gives its parts, for its id
    /// @param devices makes the devices that it sees in its I/O space
    /// @param driver takes the operator's orders for it
    /// @throws Refused if the state contradicts itself
    /// @throws BootException when the domain cannot be had on this host
    public Domain resume(
            Function<DomId, ImportedDomain> imported,
            Function<Domain, PortBus> devices,
            DomainDriver driver)
            throws BootException, Refused {
        DomId id = ids.next();
        try {
            return made(source.resume(imported.apply(id), devices), driver, EngineMap.DEFAULT);
        } catch (IllegalArgumentException e) {
            throw new Refused("the image cannot be used: " + e.getMessage());
        } finally {
            ids.release(id);
        }
    }

    /// Makes a domain of a machine that an attached VMM has made. It is neither started nor connected to XenStore.
    ///
    /// @param wanted its id; null for the next one of the service's policy
    /// @param attached gives its parts, for its id
    /// @param devices makes the devices in its I/O space that are not the VMM's
    /// @param driver takes the operator's orders for it
    /// @param map of the engines that serve its devices
    /// @throws BootException when the machine cannot be a domain, the id is in use, or the service does not have an
    ///     engine of the map
    public Domain attach(
            @Nullable DomId wanted,
            Function<DomId, AttachedDomain> attached,
            Function<Domain, PortBus> devices,
            DomainDriver driver,
            EngineMap map)
            throws BootException {
        return make(wanted, id -> source.attach(attached.apply(id), devices), driver, map);
    }

    /// Builds a domain for an id.
    @FunctionalInterface
    private interface Building {
        Domain build(DomId id) throws BootException;
    }

    /// Makes a new domain.
    ///
    /// @param wanted its id; null for the next one of the service's policy
    private Domain make(
            @Nullable DomId wanted, Building building, DomainDriver driver, EngineMap map)
            throws BootException {
        Optional<EngineId> missing = engines.missing(map);
        if (missing.isPresent()) {
            throw new BootException(noEngine(missing.get()));
        }
        DomId id = take(wanted);
        try {
            return made(building.build(id), driver, map);
        } finally {
            ids.release(id);
        }
    }

    /// Takes an id for a new domain.
    private DomId take(@Nullable DomId wanted) throws BootException {
        try {
            if (wanted == null) {
                return ids.next();
            }
            ids.claim(wanted);
            return wanted;
        } catch (Refused e) {
            throw new BootException(e.reason());
        }
    }

    private static String noEngine(EngineId missing) {
        return "engines: the service has no engine " + missing;
    }

    private Domain made(Domain domain, DomainDriver driver, EngineMap map) {
        addEngines(domain, map);
        domains.add(domain, driver);
        events.tell(DomainEvent.of(DomainEvent.Type.CREATED, domain));
        return domain;
    }

    /// @param map names no engine that is missing
    private void addEngines(Domain domain, EngineMap map) {
        DomainEngines own;
        try {
            own = engines.open(domain.id(), map);
        } catch (XenError e) {
            throw new IllegalStateException("the engines of a service do not end", e);
        }
        domain.add(own.part());
    }

    /// Notes that a stopped domain stays until it is destroyed.
    public void preserved(Domain domain) {
        domains.preserved(domain);
    }

    /// Lets a stopped domain stay under another name, until it is destroyed.
    ///
    /// @param name no other domain has it
    /// @param driver takes the operator's orders for it from now on
    /// @throws XenError an error of XenStore, which still has the former name
    public void preserveAs(Domain domain, String name, DomainDriver driver) throws XenError {
        domains.rename(domain, name, driver);
        introductions.rename(domain);
        domains.preserved(domain);
    }

    /// Ends a domain: XenStore lets go of it first, so that nothing of the service touches its memory any more.
    public void destroy(Domain domain) {
        Teardown steps = new Teardown();
        steps.add(() -> domains.ended(domain));
        steps.add(() -> events.tell(DomainEvent.of(DomainEvent.Type.DESTROYED, domain)));
        // Once more, for nodes that a tool gave to it meanwhile.
        steps.add(() -> xenstore.release(domain.id()));
        steps.add(() -> domains.closed(domain));
        steps.add(domain::close);
        steps.add(() -> domains.closing(domain));
        steps.add(() -> introductions.removeNodes(domain.id()));
        // Before the nodes go: further consoles have theirs below the first one's.
        steps.add(() -> devices.end(domain.id()));
        steps.add(() -> introductions.end(domain.id()));
        steps.close();
    }

    /// Ends every domain, and then the XenStore.
    @Override
    public void close() {
        Teardown steps = new Teardown();
        steps.add(resources::close);
        steps.add(engines::close);
        steps.add(recordings::close);
        steps.add(serviceGrants::close);
        steps.add(xenstore::close);
        steps.add(devices::close);
        domains.all().forEach(domain -> steps.add(() -> destroy(domain)));
        steps.close();
    }
}
