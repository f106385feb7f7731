package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;

/// The answer of `EVTCHNOP_status` for a port: one case for each `EVTCHNSTAT_*` that this domain's ports can have.
public sealed interface EvtchnStatus {
    /// The vCPU that the port notifies; vCPU 0 for closed ports.
    VcpuId vcpu();

    /// The `EVTCHNSTAT_*` number.
    int code();

    /// The port is not in use.
    record Closed(VcpuId vcpu) implements EvtchnStatus {
        @Override
        public int code() {
            return 0;
        }
    }

    /// The port waits for `remote` to bind to it.
    record Unbound(VcpuId vcpu, DomId remote) implements EvtchnStatus {
        @Override
        public int code() {
            return 1;
        }
    }

    /// The port is connected to `port` of `remote`.
    record Interdomain(VcpuId vcpu, DomId remote, EvtchnPort port) implements EvtchnStatus {
        @Override
        public int code() {
            return 2;
        }
    }

    /// The port receives a physical interrupt, or one of the VMM's devices that the guest takes in the same way.
    record PirqBound(VcpuId vcpu, Pirq pirq) implements EvtchnStatus {
        @Override
        public int code() {
            return 3;
        }
    }

    /// The port receives a virtual interrupt.
    record VirqBound(VcpuId vcpu, Virq virq) implements EvtchnStatus {
        @Override
        public int code() {
            return 4;
        }
    }

    /// The port interrupts one vCPU of its own domain.
    record Ipi(VcpuId vcpu) implements EvtchnStatus {
        @Override
        public int code() {
            return 5;
        }
    }
}
