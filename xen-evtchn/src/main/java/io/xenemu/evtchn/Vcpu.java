package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;

/// The event channels' state of one vCPU.
final class Vcpu {
    final VcpuId id;

    /// Port by VIRQ, 0 where none is bound.
    final AtomicIntegerArray virqPorts = new AtomicIntegerArray(Virq.COUNT);

    /// The vCPU's `vcpu_info`, where its events are announced; null until the domain has a shared_info page.
    volatile @Nullable VcpuInfo info;

    /// Whether the guest registered it with VCPUOP_register_vcpu_info.
    volatile boolean registered;

    Vcpu(int id) {
        this.id = new VcpuId(id);
    }
}
