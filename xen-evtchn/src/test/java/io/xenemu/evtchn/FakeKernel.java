package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/// A kernel table as KVM keeps it: it refuses what KVM refuses.
final class FakeKernel implements KernelPorts {
    /// The kernel's entry for a port: where a send on it goes.
    sealed interface Entry {
        record Port(int target, int vcpu) implements Entry {}

        record EventFd(ServiceListener listener) implements Entry {}

        record Ringing(Doorbell doorbell) implements Entry {}
    }

    final Map<Integer, Entry> table = new TreeMap<>();

    /// A way in for other domains.
    static final class Doorbell implements KernelDoorbell {
        final int port;
        int vcpu;

        Doorbell(EvtchnPort port, VcpuId vcpu) {
            this.port = port.value();
            this.vcpu = vcpu.value();
        }
    }

    /// The open doorbell of a port.
    synchronized Doorbell doorbell(EvtchnPort port) {
        return Objects.requireNonNull(doorbells.get(port.value()));
    }

    /// Where a message-signalled interrupt goes.
    record Route(int port, int vcpu) {}

    final Map<Integer, Doorbell> doorbells = new TreeMap<>();
    final Map<Integer, Route> routes = new TreeMap<>();
    private final Set<Integer> eventGsis = new TreeSet<>();
    final List<VcpuId> timerChanges = new CopyOnWriteArrayList<>();
    Runnable onTimerChange = () -> {};
    final List<EvtchnPort> sent = new ArrayList<>();
    volatile boolean polls = true;
    boolean delivers;
    boolean rings;

    /// vCPUs of which this kernel does not know where to announce events.
    final Set<VcpuId> unreachable = ConcurrentHashMap.newKeySet();

    volatile boolean notifies = true;

    /// How many ports it knows in the layout in force; it refuses whatever is about others.
    int ports = TwoLevel.MAX_PORTS;

    private void requireKnown(int port) {
        if (port >= ports) {
            throw new IllegalStateException("KVM: EINVAL for port " + port);
        }
    }

    @Override
    public synchronized void assignIpi(EvtchnPort port, VcpuId vcpu) {
        assign(port, new Entry.Port(port.value(), vcpu.value()));
    }

    @Override
    public synchronized void assignService(EvtchnPort port, ServiceListener listener) {
        assign(port, new Entry.EventFd(listener));
    }

    @Override
    public synchronized void assignLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu) {
        assign(port, new Entry.Port(target.value(), vcpu.value()));
    }

    @Override
    public synchronized void updateLoopback(EvtchnPort port, EvtchnPort target, VcpuId vcpu) {
        if (!(table.get(port.value()) instanceof Entry.Port(int old, _)) || old != target.value()) {
            throw new IllegalStateException("KVM: ENOENT or EINVAL for " + port);
        }
        requireKnown(target.value());
        table.put(port.value(), new Entry.Port(target.value(), vcpu.value()));
    }

    @Override
    public synchronized void assignDoorbell(EvtchnPort port, KernelDoorbell doorbell) {
        assign(port, new Entry.Ringing((Doorbell) doorbell));
    }

    @Override
    public boolean reaches(VcpuId vcpu) {
        return rings && !unreachable.contains(vcpu);
    }

    @Override
    public synchronized @Nullable KernelDoorbell openDoorbell(EvtchnPort port, VcpuId vcpu) {
        requireReachable(vcpu);
        Doorbell doorbell = new Doorbell(port, vcpu);
        if (doorbells.putIfAbsent(port.value(), doorbell) != null) {
            throw new IllegalStateException("a second doorbell of " + port);
        }
        return doorbell;
    }

    @Override
    public synchronized void moveDoorbell(EvtchnPort port, KernelDoorbell doorbell, VcpuId vcpu) {
        requireKnown(port.value());
        if (doorbells.get(port.value()) != doorbell) {
            throw new IllegalStateException("no such doorbell of " + port);
        }
        requireReachable(vcpu);
        ((Doorbell) doorbell).vcpu = vcpu.value();
    }

    @Override
    public synchronized void closeDoorbell(EvtchnPort port, KernelDoorbell doorbell) {
        if (!doorbells.remove(port.value(), doorbell)) {
            throw new IllegalStateException("no such doorbell of " + port);
        }
    }

    @Override
    public synchronized void routePirq(Pirq pirq, EvtchnPort port, VcpuId vcpu) {
        routes.put(pirq.value(), new Route(port.value(), vcpu.value()));
    }

    @Override
    public synchronized void unroutePirq(Pirq pirq) {
        if (routes.remove(pirq.value()) == null) {
            throw new IllegalStateException("no route of " + pirq);
        }
    }

    @Override
    public synchronized void routeGsi(int gsi, boolean isEvent) {
        if (isEvent) {
            eventGsis.add(gsi);
        } else {
            eventGsis.remove(gsi);
        }
    }

    /// The GSIs whose lines reach the guest as events.
    synchronized Set<Integer> eventGsis() {
        return Set.copyOf(eventGsis);
    }

    @Override
    public synchronized void deassign(EvtchnPort port) {
        requireKnown(port.value());
        if (table.remove(port.value()) == null) {
            throw new IllegalStateException("KVM: ENOENT for " + port);
        }
    }

    @Override
    public synchronized void reset() {
        table.clear();
        routes.clear();
        doorbells.clear();
    }

    @Override
    public synchronized boolean send(EvtchnPort port, VcpuId vcpu) {
        sent.add(port);
        return delivers;
    }

    @Override
    public boolean notifiesVcpus() {
        return notifies;
    }

    @Override
    public void servePolls(boolean on) {
        polls = on;
    }

    @Override
    public void timerChanged(VcpuId vcpu) {
        timerChanges.add(vcpu);
        onTimerChange.run();
    }

    private void requireReachable(VcpuId vcpu) {
        if (!reaches(vcpu)) {
            throw new IllegalStateException("KVM would drop the events of " + vcpu);
        }
    }

    private void assign(EvtchnPort port, Entry entry) {
        requireKnown(port.value());
        if (table.putIfAbsent(port.value(), entry) != null) {
            throw new IllegalStateException("KVM: EEXIST for " + port);
        }
    }
}
