package io.xenemu.core.domain;

import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.MpState;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/// How a vCPU waits for events: in SCHEDOP_block, which KVM does not serve, and in SCHEDOP_poll when KVM does not: older kernels do
/// not for 32-bit guests, and none does without [io.xenemu.kvm.ioctl.XenCapability#EVTCHN_SEND], which guests that may use the
/// FIFO ABI do not get.
///
/// Where KVM cannot wait in its place, the vCPU's thread looks again at short intervals, because nobody tells it of what it
/// waits for: most events are set pending by KVM, or are masked so that they cause no upcall, and interrupts wait in KVM's local
/// APIC.
public final class EventPoll {
    /// Much shorter than what a guest polls for (a contended lock, a reply of a back end), and 1000 looks per second at most.
    private static final long SLICE_NANOS = 1_000_000;

    /// The local APIC's interrupt request register: 256 bits in 8 words, 16 bytes apart.
    private static final int APIC_IRR = 0x200;

    private static final int APIC_STRIDE = 0x10;
    private static final int APIC_WORDS = 8;

    /// The guest's list of ports to poll.
    @FunctionalInterface
    public interface PortList {
        /// Reads an entry, which is asked for once.
        ///
        /// @throws XenError EFAULT when it cannot be read
        EvtchnPort read(int index) throws XenError;
    }

    private final Domain domain;
    private final Vcpu vcpu;
    private final List<EvtchnPort> ports = new ArrayList<>();

    /// For the thread of `vcpu`.
    public EventPoll(Domain domain, Vcpu vcpu) {
        this.domain = domain;
        this.vcpu = vcpu;
    }

    /// Waits until one of the ports is pending, the vCPU has an interrupt to take, the time is up, or the domain stops. What
    /// other vCPUs ask of this one is done meanwhile.
    ///
    /// As in Xen the list is read when there is no interrupt, and up to the first port that is pending. A port that is
    /// closed later is not waited for any more.
    ///
    /// @param count entries of the list
    /// @param timeout ns of system time, absolute; 0 for none
    /// @throws XenError EFAULT when an entry cannot be read, EINVAL when its port is invalid or closed
    public void await(int count, PortList list, long timeout) throws XenError {
        if (isInterrupted() || isPending(count, list)) {
            return;
        }
        long left = timeout == 0 ? Long.MAX_VALUE : timeout - domain.vm().getClock().clock();
        long start = System.nanoTime();
        for (long waited = 0; waited < left; waited = System.nanoTime() - start) {
            LockSupport.parkNanos(this, Math.min(left - waited, SLICE_NANOS));
            vcpu.serveMailbox();
            if (vcpu.isStopping() || isInterrupted() || isPending()) {
                return;
            }
        }
    }

    /// SCHEDOP_block: lets upcalls come, and waits for one or another interrupt.
    ///
    /// With interrupts enabled the vCPU halts, as by HLT, in its next KVM_RUN, which ends that for whatever it delivers. With
    /// interrupts disabled that would be for ever. Xen runs such a guest again when something has been raised for it, and so
    /// does this method, or when the domain stops.
    public void block() {
        domain.eventChannels().unmaskUpcalls(vcpu.id());
        if (vcpu.kvm().run().interruptsEnabled()) {
            vcpu.kvm().setMpState(MpState.HALTED);
            return;
        }
        while (!isRaised() && !vcpu.isStopping()) {
            LockSupport.parkNanos(this, SLICE_NANOS);
            vcpu.serveMailbox();
        }
    }

    private boolean isPending(int count, PortList list) throws XenError {
        for (int i = 0; i < count; i++) {
            EvtchnPort port = list.read(i);
            if (domain.eventChannels().isPending(port)) {
                return true;
            }
            ports.add(port);
        }
        return false;
    }

    private boolean isPending() {
        for (EvtchnPort port : ports) {
            try {
                if (domain.eventChannels().isPending(port)) {
                    return true;
                }
            } catch (XenError e) {
                // Closed since the list was read: nothing will become pending on it.
            }
        }
        return false;
    }

    /// A guest that polls with interrupts off is waiting for its ports alone.
    private boolean isInterrupted() {
        return vcpu.kvm().run().interruptsEnabled() && isRaised();
    }

    private boolean isRaised() {
        return domain.eventChannels().isUpcallPending(vcpu.id()) || isRequested();
    }

    private boolean isRequested() {
        ByteBuffer apic = ByteBuffer.wrap(vcpu.kvm().getLapic()).order(ByteOrder.LITTLE_ENDIAN);
        int requested = 0;
        for (int i = 0; i < APIC_WORDS; i++) {
            requested |= apic.getInt(APIC_IRR + i * APIC_STRIDE);
        }
        return requested != 0;
    }
}
