package io.xenemu.core.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.common.primitives.ImmutableIntArray;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainOrigin;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.domain.SavedFrames;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.memory.DomainMemory;
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
import io.xenemu.kvm.testing.SentDescriptors;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import io.xenemu.xenstore.tree.Permissions;
import java.io.ByteArrayInputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

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
    private final Duration patience;

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
    /// @param patience the time that requests in flight get when it is saved, and after which a connection's end that
    ///     takes longer is begun again
    public ServedGuest(Duration limit, Duration patience, BackendKind... kinds)
            throws BootException, XenError {
        this.patience = patience;
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

    /// A guest that was saved. Its devices stand still.
    private ServedGuest(Saved saved, Duration limit, BackendKind... kinds)
            throws BootException, XenError, Refused {
        patience = saved.patience;
        guest = TestDomain.restored(new DomainOrigin.Saved(saved.xen, saved::fill), vm);
        map = engines.open(TestDomain.ID, EngineMap.DEFAULT);
        backends = backends(patience, kinds);
        devices = new PvDevices(store, DeviceEvents.NONE, backends, limit);
        boolean done = false;
        try {
            guest.domain().add(backends.part(TestDomain.ID));
            new DomainNodes(client).writeHost();
            for (SavedNode node : saved.nodes) {
                client.write(node.path, node.value);
                client.setPermissions(node.path, node.permissions);
            }
            saved.descriptors.forEach(backends::receive);
            backends.restore(guest.domain(), saved.devices).forEach(devices::restored);
            done = true;
        } finally {
            if (!done) {
                close();
            }
        }
    }

    private record SavedNode(String path, String value, Permissions permissions) {}

    /// A guest as it was when it was saved: what was written, its memory and its nodes.
    public static final class Saved {
        private final XenState xen;
        private final BackendsState devices;
        private final byte[] ram;
        private final Duration patience;
        private final List<SavedNode> nodes = new ArrayList<>();

        /// What another process gets of its devices, if it takes them over.
        private final Map<PvDevice, ImmutableIntArray> descriptors = new LinkedHashMap<>();

        private Saved(ServedGuest of) throws Exception {
            this(of, SaveScope.ALONE);
        }

        private Saved(ServedGuest of, SaveScope scope) throws Exception {
            byte[] stream = XenState.write(of.domain().parts().save(scope));
            SavedFrames frames = new SavedFrames();
            var state = XenState.addTo(frames);
            var saved =
                    frames.addOptional(
                            BackendsState.TYPE, BackendsState::decode, BackendsState.NONE);
            xen = frames.read(new ByteArrayInputStream(stream), state);
            devices = saved.get();
            patience = of.patience;
            ram = of.domain().memory().ram().toArray(ValueLayout.JAVA_BYTE);
            for (String top : List.of(home(), "/libxl", "/local/domain/0/backend")) {
                copy(of.client, top);
            }
        }

        private void copy(XenStoreClient from, String path) throws XenError {
            if (from.exists(path)) {
                nodes.add(new SavedNode(path, from.read(path), from.permissions(path)));
                for (String name : from.list(path)) {
                    copy(from, path + "/" + name);
                }
            }
        }

        private void fill(DomainMemory memory) {
            memory.ram().copyFrom(MemorySegment.ofArray(ram));
        }

        /// Its devices.
        public BackendsState devices() {
            return devices;
        }

        /// Restores it in another service. Its devices stand still.
        ///
        /// @param limit the longest time that the toolstack there waits for a device
        public ServedGuest restored(Duration limit, BackendKind... kinds) throws Exception {
            return new ServedGuest(this, limit, kinds);
        }
    }

    /// Saves this guest, which goes on.
    public Saved saved() throws Exception {
        domain().parts().quiesceAndSave();
        try {
            return new Saved(this);
        } finally {
            domain().parts().resume();
        }
    }

    /// Saves this guest, which stands still, with its disks given up.
    public Saved savedAndReleased() throws Exception {
        domain().parts().quiesceAndSave();
        Saved saved = new Saved(this);
        backends.moves().release(TestDomain.ID, false);
        return saved;
    }

    /// Saves this guest, which ends.
    public Saved savedAndEnded() throws Exception {
        domain().parts().quiesceAndSave();
        return savedWhileStillAndEnded();
    }

    /// Saves this guest, which stands still, and ends.
    public Saved savedWhileStillAndEnded() throws Exception {
        Saved saved = new Saved(this);
        end();
        return saved;
    }

    /// Hands this guest over to another service, as to the next version of this one. Its devices stand still in both.
    ///
    /// @param limit the longest time that the toolstack there waits for a device
    public ServedGuest handedOver(Duration limit, BackendKind... kinds) throws Exception {
        ServedGuest next = offered(limit, kinds);
        backends.handedOver(TestDomain.ID);
        return next;
    }

    /// The same up to the point at which both services have the devices.
    public ServedGuest offered(Duration limit, BackendKind... kinds) throws Exception {
        assertEquals(List.of(), backends.stays(TestDomain.ID));
        domain().parts().quiesce();
        Saved saved = new Saved(this, SaveScope.handedOver(List.of(TestDomain.ID)));
        for (var device : backends.descriptors(TestDomain.ID).entrySet()) {
            saved.descriptors.put(device.getKey(), SentDescriptors.of(device.getValue()));
        }
        return saved.restored(limit, kinds);
    }

    /// Saves this guest, and restores it in another service. This one goes on.
    ///
    /// @param limit the longest time that the toolstack there waits for a device
    public ServedGuest restoredElsewhere(Duration limit, BackendKind... kinds) throws Exception {
        return saved().restored(limit, kinds);
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
            device.hold(LIMIT)
                    .ifPresent(why -> {
                        throw new AssertionError(device + " " + why);
                    });
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
