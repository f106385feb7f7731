package io.xenemu.evtchn;

import io.xenemu.kvm.abi.VcpuId;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;

/// What the event channels know of one vCPU.
final class Vcpu {
    final VcpuId id;

    /// Port by VIRQ, 0 where none is bound.
    final AtomicIntegerArray virqPorts = new AtomicIntegerArray(Virq.COUNT);

    /// Where its events are announced; null until the domain has a shared_info page.
    volatile @Nullable VcpuInfo info;

    /// Whether the guest chose the place by VCPUOP_register_vcpu_info.
    volatile boolean registered;

    Vcpu(int id) {
        this.id = new VcpuId(id);
    }
}
