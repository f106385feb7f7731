package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// A kernel table as KVM keeps it: it refuses what KVM refuses.
final class FakeKernel implements KernelPorts {
    /// What the kernel does with a send on a port.
    sealed interface Entry {
        record Port(int target, int vcpu) implements Entry {}

        record EventFd(ServiceListener listener) implements Entry {}
    }

    final Map<Integer, Entry> table = new TreeMap<>();
    final List<VcpuId> timerChanges = new ArrayList<>();
    final List<EvtchnPort> sent = new ArrayList<>();
    boolean delivers;

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
        table.put(port.value(), new Entry.Port(target.value(), vcpu.value()));
    }

    @Override
    public synchronized void deassign(EvtchnPort port) {
        if (table.remove(port.value()) == null) {
            throw new IllegalStateException("KVM: ENOENT for " + port);
        }
    }

    @Override
    public synchronized void reset() {
        table.clear();
    }

    @Override
    public synchronized boolean send(EvtchnPort port, VcpuId vcpu) {
        sent.add(port);
        return delivers;
    }

    @Override
    public synchronized void timerChanged(VcpuId vcpu) {
        timerChanges.add(vcpu);
    }

    private void assign(EvtchnPort port, Entry entry) {
        if (table.putIfAbsent(port.value(), entry) != null) {
            throw new IllegalStateException("KVM: EEXIST for " + port);
        }
    }
}
