package io.xenemu.core.backend;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.SavedFrames;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.toolstack.DetachMode;
import io.xenemu.core.toolstack.DeviceEvents;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.DomainNodes;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.PvDevices;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import io.xenemu.xenstore.tree.Permissions;
import java.io.ByteArrayInputStream;
import java.time.Duration;
import java.util.List;

/// A domain on a fake VM with a real XenStore, whose devices the service serves. Tests are its guest: they write the
/// front end's nodes, grant pages and send events.
public final class ServedGuest implements AutoCloseable {
    /// The limit of the toolstack's waits.
    public static final Duration LIMIT = Duration.ofMinutes(1);

    private static final long TABLE_GFN = 0x123;
    private static final int ENTRY = 8;

    /// `GTF_permit_access`.
    private static final int PERMIT = 1;

    private static final int PAGE_SHIFT = 12;

    /// Its VM.
    public final FakeVm vm = new FakeVm();

    private final TestDomain guest;

    /// The store of domain 0 and of the guest.
    public final XenStoreServer store =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    new World(),
                    new XenStoreMetrics(new SimpleMeterRegistry()),
                    Runnable::run);

    /// Writes and reads nodes of either end.
    public final XenStoreClient client = store.client();

    /// Where the meters of devices are.
    public final SimpleMeterRegistry registry = new SimpleMeterRegistry();

    /// The engines of the service: four of each class, so that a device may have four queues.
    public final Engines engines =
            new Engines(EngineSpec.withDefaults(List.of(), 4), new SimpleMeterRegistry());

    /// The domain's map of them.
    public final DomainEngines map;

    /// Domain 0's back ends.
    public final Backends backends;

    /// The toolstack's end.
    public final PvDevices devices;

    private static final class World implements GuestDomains {
        @Override
        public boolean exists(DomId domain) {
            return domain.equals(DomId.DOM0) || domain.equals(TestDomain.ID);
        }

        @Override
        public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
            throw XenError.EINVAL;
        }

        @Override
        public void released(DomId domain) {}
    }

    /// A guest whose devices of some kinds are served.
    public ServedGuest(BackendKind... kinds) throws BootException, XenError {
        this(LIMIT, kinds);
    }

    /// @param limit the longest time that the toolstack waits for a device
    public ServedGuest(Duration limit, BackendKind... kinds) throws BootException, XenError {
        this(limit, Backends.PATIENCE, kinds);
    }

    /// @param limit the longest time that the toolstack waits for a device
    /// @param patience the time after which a connection's end that takes longer is begun again
    public ServedGuest(Duration limit, Duration patience, BackendKind... kinds)
            throws BootException, XenError {
        guest = new TestDomain(vm, 1);
        map = engines.open(TestDomain.ID, EngineMap.DEFAULT);
        backends = backends(patience, kinds);
        devices = new PvDevices(store, DeviceEvents.NONE, backends, limit);
        guest.domain().add(backends.part(TestDomain.ID));
        guest.domain().pages().mapGrantFrame(0, TABLE_GFN);
        new DomainNodes(client).writeHost();
        String home = home();
        client.mkdir(home);
        client.setPermissions(home, Permissions.of("n0", "r" + TestDomain.ID.value()));
        client.mkdir(home + "/device/suspend");
    }

    /// A guest that was saved, with the nodes and the memory of the one that it was. Its devices stand still.
    private ServedGuest(
            ServedGuest old,
            XenState state,
            BackendsState saved,
            Duration limit,
            BackendKind... kinds)
            throws BootException, XenError, Refused {
        guest =
                TestDomain.restored(
                        new DomainOrigin.Saved(
                                state, ram -> ram.copyFrom(old.domain().memory().ram())),
                        vm);
        map = engines.open(TestDomain.ID, EngineMap.DEFAULT);
        backends = backends(Backends.PATIENCE, kinds);
        devices = new PvDevices(store, DeviceEvents.NONE, backends, limit);
        boolean done = false;
        try {
            guest.domain().add(backends.part(TestDomain.ID));
            new DomainNodes(client).writeHost();
            for (String top : List.of(home(), "/libxl", "/local/domain/0/backend")) {
                copy(old.client, top);
            }
            backends.restore(guest.domain(), saved).forEach(devices::restored);
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    private void copy(XenStoreClient from, String path) throws XenError {
        if (from.exists(path)) {
            client.write(path, from.read(path));
            client.setPermissions(path, from.permissions(path));
            for (String name : from.list(path)) {
                copy(from, path + "/" + name);
            }
        }
    }

    /// Saves this guest, and restores it in another service. This one goes on.
    ///
    /// @param limit the longest time that the toolstack there waits for a device
    public ServedGuest restoredElsewhere(Duration limit, BackendKind... kinds) throws Exception {
        byte[] stream = XenState.write(domain().parts().quiesceAndSave());
        SavedFrames frames = new SavedFrames();
        var xen = XenState.addTo(frames);
        var saved =
                frames.addOptional(BackendsState.TYPE, BackendsState::decode, BackendsState.NONE);
        try {
            XenState state = frames.read(new ByteArrayInputStream(stream), xen);
            return new ServedGuest(this, state, saved.get(), limit, kinds);
        } finally {
            domain().parts().resume();
        }
    }

    private static String home() {
        return "/local/domain/" + TestDomain.ID.value();
    }

    private Backends backends(Duration patience, BackendKind... kinds) {
        return new Backends(
                id -> id.equals(TestDomain.ID) ? guest.domain() : null,
                store.client(),
                guest.servicePorts(),
                new EngineThreads(engines),
                registry,
                List.of(kinds),
                patience);
    }

    /// Attaches a device, and waits until its back end is there.
    public PvDevice attach(DeviceSpec spec) throws Refused, InterruptedException {
        PvDevice device = devices.create(TestDomain.ID, DomId.DOM0, spec);
        devices.awaitBackend(device, spec);
        return device;
    }

    /// A disk of the service. The null device has no use for its file.
    public static DiskSpec disk(String vdev) throws Refused {
        return DiskSpec.parse(List.of("/dev/null,raw," + vdev + ",rw"));
    }

    /// The domain.
    public Domain domain() {
        return guest.domain();
    }

    /// The domain with its fake VM.
    public TestDomain guest() {
        return guest;
    }

    /// Lets domain 0 use a page.
    ///
    /// @param ref the entry in the first frame of the grant table
    public GrantRef grant(int ref, long gfn) throws XenError {
        long entry = (TABLE_GFN << PAGE_SHIFT) + (long) ENTRY * ref;
        guest.memory().write32(entry + Integer.BYTES, Math.toIntExact(gfn));
        guest.memory().write32(entry, PERMIT);
        return new GrantRef(ref);
    }

    /// Takes the grant back.
    ///
    /// @return false if it is in use
    public boolean revoke(int ref) throws XenError {
        long entry = (TABLE_GFN << PAGE_SHIFT) + (long) ENTRY * ref;
        if (guest.memory().read16(entry) != PERMIT) {
            return false;
        }
        guest.memory().write32(entry, 0);
        return true;
    }

    /// Takes a grant back though it is in use.
    public void overwriteGrant(int ref) throws XenError {
        guest.memory().write32((TABLE_GFN << PAGE_SHIFT) + (long) ENTRY * ref, 0);
    }

    /// A port of the guest to which domain 0 may bind.
    public EvtchnPort unboundPort() throws XenError {
        return domain().eventChannels().allocUnbound(DomId.SELF, DomId.DOM0);
    }

    /// Sends on a port of the guest.
    public void send(EvtchnPort port) throws XenError {
        domain().eventChannels().send(port);
    }

    /// Closes a port of the guest.
    public void close(EvtchnPort port) throws XenError {
        domain().eventChannels().close(port);
    }

    /// Writes a node of the front end.
    public void write(PvDevice device, String node, Object value) throws XenError {
        client.write(device.frontendPath() + "/" + node, String.valueOf(value));
    }

    /// Changes the front end's state.
    public void become(PvDevice device, XenbusState state) throws XenError {
        write(device, "state", state.code());
    }

    /// The state of the back end; INVALID without one.
    public XenbusState state(PvDevice device) throws XenError {
        String path = device.backendPath() + "/state";
        return client.exists(path) ? XenbusState.parse(client.read(path)) : XenbusState.INVALID;
    }

    /// Waits until the back end has a state.
    public void await(PvDevice device, XenbusState state) throws XenError {
        Eventually.holds("the back end is " + state, () -> state(device) == state);
    }

    /// Waits until the back ends have looked at everything that was written before. A state alone does not tell: a back
    /// end that is behind shows states of earlier rounds.
    public void settle() throws InterruptedException {
        for (ServedDevice device : backends.of(TestDomain.ID)) {
            if (!device.hold(LIMIT)) {
                throw new AssertionError(device + " does not come to rest");
            }
            device.resume();
        }
    }

    /// Detaches a device whose guest closes its end when it is asked to, as Linux does.
    public void detach(PvDevice device) throws Refused, InterruptedException {
        Thread closer =
                Thread.ofPlatform()
                        .start(() -> {
                            try {
                                await(device, XenbusState.CLOSING);
                                become(device, XenbusState.CLOSED);
                            } catch (XenError e) {
                                throw new AssertionError(e);
                            }
                        });
        devices.detach(device, DetachMode.ORDERLY);
        closer.join();
    }

    /// The ports that domain 0 has.
    public int servicePorts() {
        return guest.servicePorts().channels().save().ports().size();
    }

    /// Ends the domain as the service does.
    public void end() {
        devices.frontendEnds(TestDomain.ID);
        guest.domain().close();
    }

    @Override
    public void close() {
        devices.close();
        guest.close();
        backends.close();
        map.close();
        engines.close();
        store.close();
    }
}
