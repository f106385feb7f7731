package io.xenemu.core.domain;

import io.xenemu.evtchn.UpcallSink;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmVm;
import java.util.concurrent.atomic.AtomicIntegerArray;

/// How a vCPU is told of events: its own upcall vector, or the domain's callback vector.
///
/// The vector of a vCPU is an interrupt message to its local APIC. The domain's vector is injected by KVM on every entry
/// with `evtchn_upcall_pending` set, so a vCPU in the guest, or halted, only has to be made to enter again.
public final class EventDelivery implements UpcallSink {
    private static final long MSI_ADDRESS = 0xfee0_0000L;
    private static final int MSI_DESTINATION_SHIFT = 12;
    private static final int CALLBACK_TYPE_SHIFT = 56;
    private static final int CALLBACK_VECTOR = 2;
    private static final int VECTOR_MASK = 0xff;

    /// Vectors below belong to exceptions; KVM refuses them.
    private static final int FIRST_VECTOR = 0x10;

    private final KvmVm vm;
    private final Domain domain;
    private final AtomicIntegerArray vectors;

    /// 1 for each vCPU whose local APIC refused an upcall, because it is not enabled yet.
    private final AtomicIntegerArray owed;

    private volatile int callbackVector;

    EventDelivery(KvmVm vm, Domain domain, int vcpus) {
        this.vm = vm;
        this.domain = domain;
        this.vectors = new AtomicIntegerArray(vcpus);
        this.owed = new AtomicIntegerArray(vcpus);
    }

    /// HVM_PARAM_CALLBACK_IRQ was set. Latches the domain's width as Xen does. Of the types, the vector is served; a GSI or
    /// PCI INTx callback is taken and not delivered, which is what a guest with per-vCPU vectors expects.
    public void setCallback(long via, GuestWidth width) {
        domain.latchWidth(width);
        boolean isVector = via >>> CALLBACK_TYPE_SHIFT == CALLBACK_VECTOR;
        int vector = isVector ? Math.toIntExact(via & VECTOR_MASK) : 0;
        callbackVector = vector >= FIRST_VECTOR ? vector : 0;
        vm.xen().upcallVector(callbackVector);
        for (Vcpu vcpu : domain.vcpus()) {
            upcallIfPending(vcpu.id());
        }
    }

    /// Whether vCPU 0 is told of events by a vector, so that interrupt lines may become events in turn (Xen's
    /// `is_hvm_pv_evtchn_domain`).
    public boolean isByVector() {
        return callbackVector != 0 || vectors.get(0) != 0;
    }

    /// HVMOP_set_evtchn_upcall_vector.
    public void setUpcallVector(Vcpu vcpu, int vector) {
        vcpu.call(attributes -> attributes.upcallVector(vector));
        vectors.set(vcpu.id().value(), vector);
        upcallIfPending(vcpu.id());
    }

    private void upcallIfPending(VcpuId id) {
        if (domain.eventChannels().isUpcallPending(id)) {
            upcall(id);
        }
    }

    @Override
    public void upcall(VcpuId id) {
        int vector = vectors.get(id.value());
        if (vector != 0) {
            long address = MSI_ADDRESS | ((long) id.value() << MSI_DESTINATION_SHIFT);
            if (!vm.signalMsi(address, vector)) {
                owed.set(id.value(), 1);
                // It may have enabled its local APIC and passed its last exit meanwhile.
                wakeOther(id);
            }
            return;
        }
        wakeOther(id);
    }

    /// Makes a vCPU pass an exit, unless it is at one: the caller's own cannot have changed anything, and would come here
    /// for ever.
    private void wakeOther(VcpuId id) {
        Vcpu vcpu = domain.vcpus().get(id.value());
        if (!vcpu.isCurrent()) {
            vcpu.wake();
        }
    }

    /// Tries again what the vCPU's local APIC had refused: nothing else asks again while `evtchn_upcall_pending` is set.
    /// Called by the vCPU's thread at its exits; costs one read when nothing is owed.
    void retry(VcpuId id) {
        if (owed.getOpaque(id.value()) != 0 && owed.compareAndSet(id.value(), 1, 0)) {
            upcallIfPending(id);
        }
    }
}
