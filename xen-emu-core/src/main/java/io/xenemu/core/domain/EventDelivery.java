package io.xenemu.core.domain;

import io.xenemu.core.delivery.CallbackLine;
import io.xenemu.core.delivery.CallbackVia;
import io.xenemu.core.delivery.GsiRoutes;
import io.xenemu.core.vm.VmPort;
import io.xenemu.evtchn.UpcallSink;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;

/// Announces events to vCPUs: by the vCPU's own upcall vector, the domain's callback vector or, only for vCPU 0, an
/// interrupt line.
///
/// A vCPU's vector is sent as an interrupt message to its local APIC. KVM injects the domain's vector on every entry
/// with `evtchn_upcall_pending` set. So it is enough to make a vCPU that is in the guest or halted enter again. KVM
/// does not support a line: while there is one, it does not deliver events.
public final class EventDelivery implements UpcallSink, AutoCloseable {
    private static final long MSI_ADDRESS = 0xfee0_0000L;
    private static final int MSI_DESTINATION_SHIFT = 12;
    private static final VcpuId BOOT_VCPU = new VcpuId(0);

    private record ConnectedLine(int gsi, CallbackLine line) {}

    /// Its saved state. The callback is not in it, since it is an HVM parameter; the level of the line follows from
    /// pending events.
    ///
    /// @param vectors each vCPU's own upcall vector; 0 for none
    record State(List<Integer> vectors) {
        State {
            vectors = List.copyOf(vectors);
        }
    }

    private final VmPort vm;
    private final Domain domain;
    private final AtomicIntegerArray vectors;

    /// 1 for each vCPU whose local APIC refused an upcall: the APIC is not enabled yet, or does not have the vCPU's id
    /// now.
    private final AtomicIntegerArray owed;

    private volatile CallbackVia via = new CallbackVia.None();

    /// The line to vCPU 0, if there is one; changed by one thread at a time.
    private volatile @Nullable ConnectedLine connected;

    EventDelivery(VmPort vm, Domain domain, int vcpus) {
        this.vm = vm;
        this.domain = domain;
        this.vectors = new AtomicIntegerArray(vcpus);
        this.owed = new AtomicIntegerArray(vcpus);
    }

    /// Handles a write to HVM_PARAM_CALLBACK_IRQ. Latches the domain's width as Xen does.
    public void setCallback(long value, GuestWidth width) {
        domain.sharedInfo().latchWidth(width);
        setVia(value);
        domain.eventChannels().kernelDeliveryChanged();
        for (Vcpu vcpu : domain.vcpus()) {
            assertUpcall(vcpu.id());
        }
    }

    private synchronized void setVia(long value) {
        via = CallbackVia.of(value);
        vm.upcallVector(via instanceof CallbackVia.Vector(int vector) ? vector : 0);
        connect();
    }

    /// Ends the callback and all vectors, as before the guest has set them; no vCPU runs. No port is bound.
    void reset() {
        for (Vcpu vcpu : domain.vcpus()) {
            int number = vcpu.id().value();
            if (vectors.getAndSet(number, 0) != 0) {
                vcpu.call(port -> port.upcallVector(0));
            }
            owed.set(number, 0);
        }
        setVia(0);
        domain.eventChannels().kernelDeliveryChanged();
    }

    /// Its state; no vCPU runs.
    State save() {
        List<Integer> saved = new ArrayList<>();
        for (int i = 0; i < vectors.length(); i++) {
            saved.add(vectors.get(i));
        }
        return new State(saved);
    }

    /// Tells KVM of a restored domain's vectors and callback. The caller announces pending events later.
    ///
    /// @param callback HVM_PARAM_CALLBACK_IRQ
    void restore(State state, long callback) {
        for (int i = 0; i < vectors.length(); i++) {
            int vector = state.vectors().get(i);
            if (vector != 0) {
                domain.vcpus().get(i).call(port -> port.upcallVector(vector));
                vectors.set(i, vector);
            }
        }
        setVia(callback);
    }

    /// Connects the line that the guest has set, instead of the previous one. A guest whose vCPUs have their own
    /// vectors may name a line that it does not use: Linux does.
    private synchronized void connect() {
        ConnectedLine old = connected;
        int gsi = via instanceof CallbackVia.Line(int number) && vectors.get(0) == 0 ? number : 0;
        if (gsi == (old == null ? 0 : old.gsi())) {
            return;
        }
        if (old != null) {
            connected = null;
            disconnect(old);
        }
        if (gsi != 0) {
            String name = domain.id() + "-callback";
            CallbackLine line =
                    new CallbackLine(
                            name,
                            () -> domain.eventChannels().isUpcallPending(BOOT_VCPU),
                            domain.threads());
            try {
                vm.assignResampleIrqfd(
                        line.trigger().fd(), GsiRoutes.ofPin(gsi), line.acknowledgement().fd());
            } catch (RuntimeException e) {
                line.close();
                throw e;
            }
            connected = new ConnectedLine(gsi, line);
        }
    }

    private void disconnect(ConnectedLine old) {
        vm.deassignIrqfd(old.line().trigger().fd(), GsiRoutes.ofPin(old.gsi()));
        old.line().close();
    }

    /// Whether events are announced to vCPU 0 by a vector, so that interrupt lines may in turn become events (Xen's
    /// `is_hvm_pv_evtchn_domain`).
    public boolean isByVector() {
        return via instanceof CallbackVia.Vector || vectors.get(0) != 0;
    }

    /// Whether events are announced to vCPU 0 by a line.
    boolean isByLine() {
        return connected != null;
    }

    /// Called after KVM has raised an event for a vCPU, and may have announced it.
    void kernelRaised(VcpuId id) {
        if (isByLine() && domain.eventChannels().isUpcallPending(id)) {
            upcall(id);
        }
    }

    /// HVMOP_set_evtchn_upcall_vector. The vector is raised once, as in Xen: an event may have come before it.
    public void setUpcallVector(Vcpu vcpu, int vector) {
        vcpu.call(port -> port.upcallVector(vector));
        vectors.set(vcpu.id().value(), vector);
        connect();
        domain.eventChannels().kernelDeliveryChanged();
        assertUpcall(vcpu.id());
    }

    /// Raises a vCPU's own vector, even if no event is pending, as Xen's `hvm_assert_evtchn_irq` does. A local APIC
    /// that is not enabled refuses it, and gets it later only if events are pending.
    private void assertUpcall(VcpuId id) {
        if (vectors.get(id.value()) != 0) {
            upcall(id);
        } else {
            upcallIfPending(id);
        }
    }

    private void upcallIfPending(VcpuId id) {
        if (domain.eventChannels().isUpcallPending(id)) {
            upcall(id);
        }
    }

    @Override
    public void upcall(VcpuId id) {
        int vector = vectors.get(id.value());
        DomainObserver observer = domain.observer();
        if (observer != null) {
            observer.upcall(id, vector);
        }
        if (vector != 0) {
            long address = MSI_ADDRESS | ((long) domain.apicId(id) << MSI_DESTINATION_SHIFT);
            if (!vm.signalMsi(address, vector)) {
                owed.set(id.value(), 1);
                // The vCPU may have set up its local APIC and passed its last exit meanwhile.
                wake(id);
            }
            return;
        }
        ConnectedLine current = connected;
        if (current == null) {
            wake(id);
        } else if (id.equals(BOOT_VCPU)) {
            current.line().raise();
        }
    }

    /// Makes a vCPU pass an exit. The caller's own vCPU is at an exit already, and nothing has changed since its
    /// attempt. It tries again at its next exit: trying now would repeat without end.
    private void wake(VcpuId id) {
        Vcpu vcpu = domain.vcpus().get(id.value());
        if (vcpu.isCurrent()) {
            vcpu.checkBeforeEntry();
        } else {
            vcpu.wake();
        }
    }

    /// Retries an upcall that the vCPU's local APIC refused: nothing requests it again while `evtchn_upcall_pending` is
    /// set. Called by the vCPU's thread at the exits after it was woken or has seen a refusal.
    public void retry(VcpuId id) {
        if (owed.getOpaque(id.value()) != 0 && owed.compareAndSet(id.value(), 1, 0)) {
            upcallIfPending(id);
        }
    }

    @Override
    public synchronized void close() {
        ConnectedLine last = connected;
        if (last != null) {
            connected = null;
            disconnect(last);
        }
    }
}
