package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Event channels as one would explain them: maps and sets, no locks, no bits. An operation gives "portN", "OK" or an
/// errno.
final class ModelDomain {
    /// The binding of a port.
    static final class Port {
        String type;
        int vcpu;
        int virq = -1;
        int pirq = -1;
        int remoteDom = -1;
        int remotePort = -1;
        boolean listened;

        Port(String type) {
            this.type = type;
        }
    }

    final int id;
    final int vcpus;
    final int limit;
    final Map<Integer, ModelDomain> world;
    final Map<Integer, Port> ports = new TreeMap<>();
    final ModelDelivery.TwoLevel bitmaps = new ModelDelivery.TwoLevel(this);
    ModelDelivery.@Nullable Fifo fifo;
    final Map<Integer, Integer> pirqSources = new TreeMap<>();
    final Set<Integer> upcallPending = new HashSet<>();
    final List<Integer> upcalls = new ArrayList<>();
    int signals;
    int valid = 64;

    ModelDomain(int id, int vcpus, int limit, Map<Integer, ModelDomain> world) {
        this.id = id;
        this.vcpus = vcpus;
        this.limit = limit;
        this.world = world;
        world.put(id, this);
    }

    ModelDelivery delivery() {
        ModelDelivery.Fifo queues = fifo;
        return queues != null ? queues : bitmaps;
    }

    int vcpuOf(int number) {
        @Nullable Port port = ports.get(number);
        return port == null ? 0 : port.vcpu;
    }

    int lowestFree() {
        int port = 1;
        while (ports.containsKey(port) || delivery().isBusy(port)) {
            port++;
        }
        return port;
    }

    private Port add(int number, String type) {
        while (number >= valid) {
            valid += 64;
        }
        Port port = new Port(type);
        ports.put(number, port);
        if (fifo != null) {
            fifo.priorities.remove(number);
        }
        return port;
    }

    private ModelDomain remote(Port port) {
        return Objects.requireNonNull(world.get(port.remoteDom));
    }

    private Port port(int number) {
        return Objects.requireNonNull(ports.get(number));
    }

    private static String named(int port) {
        return "port" + port;
    }

    private static boolean isGlobal(int virq) {
        return !Set.of(0, 1, 7, 13).contains(virq);
    }

    private boolean hasVcpu(int vcpu) {
        return vcpu >= 0 && vcpu < vcpus;
    }

    String allocUnbound(int dom, int remote) {
        if (!world.containsKey(dom)) {
            return "ESRCH";
        }
        if (dom != id) {
            return "EPERM";
        }
        int number = lowestFree();
        add(number, "unbound").remoteDom = remote;
        return named(number);
    }

    String bindInterdomain(int remoteDom, int remotePort, boolean listened) {
        @Nullable ModelDomain remote = world.get(remoteDom);
        if (remote == null) {
            return "ESRCH";
        }
        @Nullable Port far = remote.ports.get(remotePort);
        if (far == null || !far.type.equals("unbound") || far.remoteDom != id) {
            return "EINVAL";
        }
        int number = lowestFree();
        Port near = add(number, "interdomain");
        near.remoteDom = remoteDom;
        near.remotePort = remotePort;
        near.listened = listened;
        far.type = "interdomain";
        far.remotePort = number;
        raise(number);
        return named(number);
    }

    String bindVirq(int virq, int vcpu) {
        boolean global = isGlobal(virq);
        if (global && vcpu != 0) {
            return "EINVAL";
        }
        if (!hasVcpu(vcpu)) {
            return "ENOENT";
        }
        for (Port port : ports.values()) {
            if (port.virq == virq && (global || port.vcpu == vcpu)) {
                return "EEXIST";
            }
        }
        int number = lowestFree();
        Port port = add(number, "virq");
        port.virq = virq;
        port.vcpu = vcpu;
        return named(number);
    }

    String bindIpi(int vcpu) {
        if (!hasVcpu(vcpu)) {
            return "ENOENT";
        }
        int number = lowestFree();
        add(number, "ipi").vcpu = vcpu;
        return named(number);
    }

    String bindPirq(int pirq) {
        if (pirq < 0 || pirq >= Pirqs.DEFAULT) {
            return "EINVAL";
        }
        if (portOfPirq(pirq) != 0) {
            return "EEXIST";
        }
        int number = lowestFree();
        add(number, "pirq").pirq = pirq;
        return named(number);
    }

    private int portOfPirq(int pirq) {
        for (Map.Entry<Integer, Port> entry : ports.entrySet()) {
            if (entry.getValue().pirq == pirq) {
                return entry.getKey();
            }
        }
        return 0;
    }

    /// A message names a PIRQ, which from then on is one (-1).
    String raiseMsi(int pirq) {
        if (pirq <= 0 || pirq >= Pirqs.DEFAULT) {
            return "EINVAL";
        }
        pirqSources.put(pirq, -1);
        int number = portOfPirq(pirq);
        if (number != 0) {
            raise(number);
        }
        return "OK";
    }

    String setPriority(int number, int priority) {
        if (number < 0 || number >= valid) {
            return "EINVAL";
        }
        if (fifo == null) {
            return "ENOSYS";
        }
        if (!ports.containsKey(number)) {
            return "EACCES";
        }
        if (priority < 0 || priority > 15) {
            return "EINVAL";
        }
        fifo.priorities.put(number, priority);
        return "OK";
    }

    /// The guest gives every vCPU its control block, and then its first page of event words.
    String startFifo() {
        if (fifo != null) {
            return "EINVAL";
        }
        ModelDelivery.Fifo queues = new ModelDelivery.Fifo(this);
        fifo = queues;
        bitmaps.pending.forEach(queues::raise);
        bitmaps.pending.clear();
        return "OK";
    }

    String close(int number) {
        @Nullable Port port = ports.remove(number);
        if (port == null) {
            return "EINVAL";
        }
        delivery().pending.remove(number);
        if (port.type.equals("interdomain")) {
            Port far = remote(port).port(port.remotePort);
            far.type = "unbound";
            far.remoteDom = id;
        }
        return "OK";
    }

    String send(int number) {
        @Nullable Port port = ports.get(number);
        if (port == null || port.virq >= 0 || port.pirq >= 0) {
            return "EINVAL";
        }
        if (port.type.equals("ipi")) {
            raise(number);
        } else if (port.type.equals("interdomain")) {
            remote(port).raise(port.remotePort);
        }
        return "OK";
    }

    String bindVcpu(int number, int vcpu) {
        @Nullable Port port = ports.get(number);
        if (!hasVcpu(vcpu)) {
            return "ENOENT";
        }
        if (port == null || port.type.equals("ipi") || (port.virq >= 0 && !isGlobal(port.virq))) {
            return "EINVAL";
        }
        port.vcpu = vcpu;
        return "OK";
    }

    String unmask(int number) {
        if (number < 0 || number >= valid) {
            return "EINVAL";
        }
        if (ports.containsKey(number)) {
            delivery().unmask(number);
        }
        return "OK";
    }

    String reset() {
        for (int number : List.copyOf(ports.keySet())) {
            close(number);
        }
        fifo = null;
        return "OK";
    }

    String raiseVirq(int virq, int vcpu) {
        for (Map.Entry<Integer, Port> entry : ports.entrySet()) {
            Port port = entry.getValue();
            if (port.virq == virq && (isGlobal(virq) || port.vcpu == vcpu)) {
                raise(entry.getKey());
            }
        }
        return "OK";
    }

    private void raise(int number) {
        Port port = port(number);
        if (port.listened) {
            signals++;
        } else {
            delivery().raise(number);
        }
    }

    /// The expected table of the kernel, written as [FakeKernel] does; a service's listener is 0.
    Map<Integer, String> kernelTable() {
        Map<Integer, String> table = new TreeMap<>();
        ports.forEach((number, port) -> {
            if (port.type.equals("ipi") && fifo == null) {
                table.put(number, number + "@" + port.vcpu);
            } else if (port.type.equals("interdomain") && port.remoteDom == 0) {
                table.put(number, "eventfd");
            } else if (port.type.equals("interdomain")) {
                ModelDomain far = remote(port);
                String rings = port.remoteDom == id ? "" : "rings ";
                if (far.fifo == null) {
                    table.put(
                            number, rings + port.remotePort + "@" + far.port(port.remotePort).vcpu);
                }
            }
        });
        return table;
    }

    /// The ports that other domains ring, with their vCPUs.
    Map<Integer, Integer> doorbells() {
        Map<Integer, Integer> table = new TreeMap<>();
        ports.forEach((number, port) -> {
            boolean foreign = port.remoteDom != id && port.remoteDom != 0;
            if (port.type.equals("interdomain") && foreign && fifo == null) {
                table.put(number, port.vcpu);
            }
        });
        return table;
    }

    /// Where the kernel brings messages.
    Map<Integer, FakeKernel.Route> routes() {
        Map<Integer, FakeKernel.Route> table = new TreeMap<>();
        ports.forEach((number, port) -> {
            if (fifo == null && pirqSources.getOrDefault(port.pirq, 0) == -1) {
                table.put(port.pirq, new FakeKernel.Route(number, port.vcpu));
            }
        });
        return table;
    }

    EvtchnStatus status(int number) {
        @Nullable Port port = ports.get(number);
        if (port == null) {
            return new EvtchnStatus.Closed(new VcpuId(0));
        }
        VcpuId vcpu = new VcpuId(port.vcpu);
        return switch (port.type) {
            case "unbound" -> new EvtchnStatus.Unbound(vcpu, new DomId(port.remoteDom));
            case "interdomain" ->
                    new EvtchnStatus.Interdomain(
                            vcpu, new DomId(port.remoteDom), EvtchnPort.of(port.remotePort));
            case "pirq" -> new EvtchnStatus.PirqBound(vcpu, new Pirq(port.pirq));
            case "virq" -> new EvtchnStatus.VirqBound(vcpu, new Virq(port.virq));
            default -> new EvtchnStatus.Ipi(vcpu);
        };
    }
}
