package io.xenemu.core.domain;

import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.ioctl.MpState;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/// Waits for events for a vCPU: in SCHEDOP_block, which KVM does not serve, and in a SCHEDOP_poll of a multicall. KVM
/// serves every other SCHEDOP_poll. It only yields, and returns 0, for a guest that has switched to the FIFO ABI
/// ([io.xenemu.core.vm.VmPort#servePolls]); older kernels do so for 32-bit guests.
///
/// If KVM cannot do the waiting, the vCPU's thread checks at short intervals, because it is not notified: KVM sets most
/// events pending, masked events cause no upcall, and interrupts wait in KVM's local APIC.
public final class EventPoll {
    /// Much shorter than the events for which a guest polls (a contended lock, a back end's reply). Causes at most 1000
    /// checks per second.
    private static final long SLICE_NANOS = 1_000_000;

    /// The local APIC's interrupt request register: 256 bits in 8 words, 16 bytes apart.
    private static final int APIC_IRR = 0x200;

    private static final int APIC_STRIDE = 0x10;
    private static final int APIC_WORDS = 8;

    /// The guest's list of ports to poll.
    @FunctionalInterface
    public interface PortList {
        /// Reads an entry; called once for each.
        ///
        /// @throws XenError EFAULT when it cannot be read
        EvtchnPort read(int index) throws XenError;
    }

    private final Domain domain;
    private final Vcpu vcpu;
    private final List<EvtchnPort> ports = new ArrayList<>();

    /// A poll for the thread of `vcpu`.
    public EventPoll(Domain domain, Vcpu vcpu) {
        this.domain = domain;
        this.vcpu = vcpu;
    }

    /// Waits until one of the ports is pending or the vCPU has a deliverable interrupt. Also returns when the time is
    /// over, the domain stops, or the vCPU is to park. Serves other threads' requests to this vCPU meanwhile.
    ///
    /// As in Xen, the list is read only if there is no interrupt, and only up to the first pending port. A port that
    /// is closed later is no longer waited for.
    ///
    /// @param count entries of the list
    /// @param timeout ns of system time, absolute; 0 for none
    /// @return false if the vCPU is to park: the guest makes the call again later
    /// @throws XenError EFAULT when an entry cannot be read, EINVAL when its port is invalid or closed
    public boolean await(int count, PortList list, long timeout) throws XenError {
        if (isInterrupted() || isPending(count, list)) {
            return true;
        }
        long left = timeout == 0 ? Long.MAX_VALUE : timeout - domain.vm().clock();
        long start = System.nanoTime();
        for (long waited = 0; waited < left; waited = System.nanoTime() - start) {
            LockSupport.parkNanos(this, Math.min(left - waited, SLICE_NANOS));
            vcpu.serveMailbox();
            if (vcpu.isStopping() || isInterrupted() || isPending()) {
                return true;
            }
            if (vcpu.isHeld()) {
                return false;
            }
        }
        return true;
    }

    /// SCHEDOP_block: unmasks upcalls, and waits for an upcall or another interrupt.
    ///
    /// With interrupts enabled the vCPU halts, as by HLT, in its next KVM_RUN, until KVM delivers an interrupt. With
    /// interrupts disabled it would halt forever. Xen runs such a guest again when an interrupt or upcall has been
    /// raised for it. This method returns then too, and when the domain stops.
    ///
    /// @return false if the vCPU is to park: the guest makes the call again later
    public boolean block() {
        domain.eventChannels().unmaskUpcalls(vcpu.id());
        if (vcpu.port().interruptsEnabled()) {
            vcpu.port().setMpState(MpState.HALTED);
            return true;
        }
        while (!isRaised() && !vcpu.isStopping()) {
            if (vcpu.isHeld()) {
                return false;
            }
            LockSupport.parkNanos(this, SLICE_NANOS);
            vcpu.serveMailbox();
        }
        return true;
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
                // The port was closed since the list was read: nothing will become pending on it.
            }
        }
        return false;
    }

    /// A guest that polls with interrupts disabled waits only for its ports.
    private boolean isInterrupted() {
        return vcpu.port().interruptsEnabled() && isRaised();
    }

    private boolean isRaised() {
        return domain.eventChannels().isUpcallPending(vcpu.id()) || isRequested();
    }

    private boolean isRequested() {
        ByteBuffer apic = ByteBuffer.wrap(vcpu.port().getLapic()).order(ByteOrder.LITTLE_ENDIAN);
        int requested = 0;
        for (int i = 0; i < APIC_WORDS; i++) {
            requested |= apic.getInt(APIC_IRR + i * APIC_STRIDE);
        }
        return requested != 0;
    }
}
