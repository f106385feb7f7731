package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Event channels as one would explain them: maps and sets, no locks, no bits. An operation gives "portN", "OK" or an errno.
final class ModelDomain {
    /// What a port is bound to.
    static final class Port {
        String type;
        int vcpu;
        int virq = -1;
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
    final Set<Integer> pending = new HashSet<>();
    final Set<Integer> masked = new HashSet<>();
    final Map<Integer, Set<Integer>> selected = new HashMap<>();
    final Set<Integer> upcallPending = new HashSet<>();
    final List<Integer> upcalls = new ArrayList<>();
    int signals;
    int valid = 64;
    int wordBits = 64;

    ModelDomain(int id, int vcpus, int limit, Map<Integer, ModelDomain> world) {
        this.id = id;
        this.vcpus = vcpus;
        this.limit = limit;
        this.world = world;
        world.put(id, this);
    }

    private int lowestFree() {
        int port = 1;
        while (ports.containsKey(port)) {
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

    String close(int number) {
        @Nullable Port port = ports.remove(number);
        if (port == null) {
            return "EINVAL";
        }
        pending.remove(number);
        if (port.type.equals("interdomain")) {
            Port far = remote(port).port(port.remotePort);
            far.type = "unbound";
            far.remoteDom = id;
        }
        return "OK";
    }

    String send(int number) {
        @Nullable Port port = ports.get(number);
        if (port == null || port.type.equals("virq")) {
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
        if (masked.remove(number) && pending.contains(number)) {
            announce(number);
        }
        return "OK";
    }

    String reset() {
        for (int number : List.copyOf(ports.keySet())) {
            close(number);
        }
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
        } else if (pending.add(number) && !masked.contains(number)) {
            announce(number);
        }
    }

    private void announce(int number) {
        @Nullable Port port = ports.get(number);
        int vcpu = port == null ? 0 : port.vcpu;
        if (selected.computeIfAbsent(vcpu, v -> new HashSet<>()).add(number / wordBits)
                && upcallPending.add(vcpu)) {
            upcalls.add(vcpu);
        }
    }

    /// What the kernel's table has to be, written as [FakeKernel] does; a service's listener is 0.
    Map<Integer, String> kernelTable() {
        Map<Integer, String> table = new TreeMap<>();
        ports.forEach((number, port) -> {
            if (port.type.equals("ipi")) {
                table.put(number, number + "@" + port.vcpu);
            } else if (port.type.equals("interdomain") && port.remoteDom == id) {
                int vcpu = port(port.remotePort).vcpu;
                table.put(number, port.remotePort + "@" + vcpu);
            } else if (port.type.equals("interdomain") && port.remoteDom == 0) {
                table.put(number, "eventfd");
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
            case "virq" -> new EvtchnStatus.VirqBound(vcpu, new Virq(port.virq));
            default -> new EvtchnStatus.Ipi(vcpu);
        };
    }
}
