package io.xenemu.core.backend;

import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.host.HostBudget;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.memory.DomainResources;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.gnttab.BackendMappings;
import io.xenemu.gnttab.ContiguousPages;
import io.xenemu.gnttab.GrantMapping;
import io.xenemu.gnttab.GrantRange;
import io.xenemu.gnttab.GrantRef;
import io.xenemu.gnttab.GrantStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// One connection's way to its front end: the nodes that the guest published, and mappings, event channels and threads
/// made from them. It owns all that it gives: the frame takes it back in reverse order when the connection ends, or
/// when connecting fails, and each piece once (XSA-526, 531, 532).
///
/// For the thread that connects; [#update], [#broken] and [#fail] are for any thread.
public final class Frontend {
    private final PvDevice device;
    private final FrontendNodes nodes;
    private final Domain domain;
    private final ServedPlace place;
    private final Reports reports;

    /// Event channels to close first: afterwards nothing wakes a thread.
    private final Teardown channels = new Teardown();

    /// Threads that have not ended: afterwards nothing touches a mapping.
    private final List<QueueThread> threads = new ArrayList<>();

    /// Mappings and shares of the process's resources to give back last.
    private final Teardown mappings = new Teardown();

    /// The things that all connections share.
    ///
    /// @param ports domain 0's ports
    /// @param views shows rings of several pages contiguously
    /// @param threads chooses the threads of queues
    /// @param patience the time after which a drain that takes longer is logged, and is begun again
    record ServedPlace(
            ServicePorts ports, ContiguousPages views, EngineThreads threads, Duration patience) {}

    /// Takes what a connected device tells of itself. Any thread.
    interface Reports {
        void update(Frontend from, SequencedMap<String, String> nodes, boolean announced);

        void broken(Frontend from, FrontendError error);

        void failed(Frontend from, Throwable failure);
    }

    Frontend(
            PvDevice device,
            FrontendNodes nodes,
            Domain domain,
            ServedPlace place,
            Reports reports) {
        this.device = device;
        this.nodes = nodes;
        this.domain = domain;
        this.place = place;
        this.reports = reports;
    }

    /// The device.
    public PvDevice device() {
        return device;
    }

    /// The nodes that the guest published when it became ready.
    public FrontendNodes nodes() {
        return nodes;
    }

    /// The mappings of the guest's grants, for the pages of single requests. The connection ends these mappings itself,
    /// in [BackendConnection#drain] or [BackendConnection#close].
    public BackendMappings grants() {
        return domain.grantTable().backend();
    }

    /// Maps one granted page for reading and writing, until the connection ends.
    ///
    /// @return 4096 bytes
    /// @throws FrontendError EINVAL if it is not granted to domain 0 as a whole page
    public MemorySegment map(GrantRef ref) throws FrontendError {
        GrantMapping mapping = new GrantMapping();
        check(ref, grants().map(ref, DomId.DOM0, false, mapping));
        BackendMappings grants = grants();
        mappings.add(() -> grants.unmap(mapping));
        return mapping.page();
    }

    /// Maps the granted pages of a ring contiguously for reading and writing, until the connection ends.
    ///
    /// @param refs 1 to [BackendMappings#MAX_RANGE]
    /// @throws FrontendError EINVAL if one is not granted to domain 0 as a whole page; ENOMEM if the guest may have no
    ///     more memory mappings of the process
    public MemorySegment map(List<GrantRef> refs) throws FrontendError {
        if (refs.size() == 1) {
            return map(refs.getFirst());
        }
        // At worst, no two pages are neighbours.
        long count = refs.size();
        DomainResources resources = domain.resources();
        if (!resources.mappings().take(count)) {
            throw new FrontendError(XenError.ENOMEM, "the guest has too many memory mappings");
        }
        mappings.add(() -> resources.mappings().give(count));
        GrantRange range = new GrantRange();
        BackendMappings grants = grants();
        GrantStatus status = grants.mapRange(refs, DomId.DOM0, false, place.views(), range);
        check(refs.getFirst(), status);
        mappings.add(() -> grants.unmapRange(range));
        return range.view();
    }

    private static void check(GrantRef ref, GrantStatus status) throws FrontendError {
        if (status != GrantStatus.OKAY) {
            throw new FrontendError(
                    XenError.EINVAL, "the ring at " + ref + " cannot be mapped: " + status);
        }
    }

    /// Makes the thread of a queue. Its work begins when the device has become Connected, with one run at once.
    ///
    /// @param queue the queue's number, from 0
    /// @param work an exception of it is a bug: the device is closed then
    /// @throws FrontendError ENOMEM if the guest may have no more threads or descriptors of the process
    public QueueThread thread(int queue, QueueWork work) throws FrontendError {
        EngineThreads engines = place.threads();
        charge(engines.take(device, domain.resources()));
        return keep(engines.start(device, queue, work, this::fail));
    }

    /// Makes a thread of the device's own, for work that may wait for the host, such as calls on files: an engine must
    /// not wait. It is otherwise as those of [#thread], and only the device wakes it.
    ///
    /// @param number beside the queues' numbers; part of the thread's name
    /// @param work as for [#thread]
    /// @throws FrontendError ENOMEM if the guest may have no more threads or descriptors of the process
    public QueueThread worker(int number, QueueWork work) throws FrontendError {
        charge(OwnQueueThread.take(domain.resources()));
        return keep(new OwnQueueThread(device, number, work, this::fail));
    }

    /// @param giveBack gives the resources of a thread back; null if the guest may have no more
    private void charge(@Nullable Runnable giveBack) throws FrontendError {
        if (giveBack == null) {
            throw new FrontendError(XenError.ENOMEM, "the guest has too many threads");
        }
        mappings.add(giveBack);
    }

    private QueueThread keep(QueueThread thread) {
        threads.add(thread);
        return thread;
    }

    /// Takes descriptors of the process into the guest's account, until the connection ends.
    ///
    /// @throws FrontendError ENOMEM if the guest may have no more
    public void takeDescriptors(int count) throws FrontendError {
        DomainResources resources = domain.resources();
        if (!resources.descriptors().take(count)) {
            throw new FrontendError(XenError.ENOMEM, "the guest has too many descriptors");
        }
        mappings.add(() -> resources.descriptors().give(count));
    }

    /// The guest's share of the process's descriptors, for a device that opens and closes some while it is connected.
    /// It gives back all that it takes.
    public HostBudget.Share descriptors() {
        return domain.resources().descriptors();
    }

    /// Gives back something of the device's own that its threads use, when they have ended: after the event channels,
    /// and before what was made earlier than this call.
    public void afterThreads(Runnable giveBack) {
        mappings.add(giveBack);
    }

    /// Binds an event channel of the guest, until the connection ends. Its events wake `thread`.
    ///
    /// @return for notifications of the guest
    /// @throws FrontendError EINVAL if the guest's port is not one that it keeps for domain 0; ENOSPC if domain 0
    ///     has no port left
    public ServicePort bind(EvtchnPort guestPort, QueueThread thread) throws FrontendError {
        try {
            ServicePort port =
                    place.ports()
                            .bindInterdomain(device.frontend(), guestPort, new Wakening(thread));
            channels.add(port::close);
            return port;
        } catch (XenError e) {
            throw new FrontendError(e, "event channel " + guestPort + " cannot be bound");
        }
    }

    /// Publishes nodes of the back end's directory while the device is connected, such as a disk's new size.
    ///
    /// @param announced writes the state again as well, so that the front end looks
    public void update(SequencedMap<String, String> changed, boolean announced) {
        reports.update(this, changed, announced);
    }

    /// Writes the device's error node, because the guest has broken a ring's rules. The device stays as it is: its
    /// other queues go on.
    public void broken(FrontendError error) {
        reports.broken(this, error);
    }

    /// Closes the device, because the service cannot serve it any more: the guest sees Closing.
    public void fail(Throwable failure) {
        reports.failed(this, failure);
    }

    /// Lets the queues work.
    void open() {
        threads.forEach(QueueThread::open);
    }

    /// Keeps the queues from work until [#open].
    ///
    /// @return false if one is still at work after `limit`; then [#open] is to be called
    boolean hold(Duration limit) throws InterruptedException {
        for (QueueThread thread : threads) {
            if (!thread.hold(limit)) {
                return false;
            }
        }
        return true;
    }

    /// Takes back everything that it gave and that is not taken back yet.
    ///
    /// @param limit for each thread
    /// @return false if a thread is still at work; then the mappings stay, and this is to be called again
    boolean takeBack(Duration limit) throws InterruptedException {
        channels.close();
        while (!threads.isEmpty()) {
            if (!threads.getLast().end(limit)) {
                return false;
            }
            threads.removeLast();
        }
        mappings.close();
        return true;
    }
}
