package io.xenemu.core.backend.net;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.xenemu.core.backend.engine.QueueWork;
import io.xenemu.core.backend.ring.RingState;
import io.xenemu.core.backend.ring.SharedRing;
import io.xenemu.kvm.abi.xen.NetifStructs.CtrlRequest;
import io.xenemu.kvm.abi.xen.NetifStructs.CtrlResponse;
import java.lang.foreign.MemorySegment;

/// The control ring: hashes that spread frames over queues, and lasting grants. None of it is done here, and each
/// request is answered so. It is there because Windows' driver does not start without it. No page that a request names
/// is read, nor any of its sizes used (XSA-270).
final class ControlRing implements QueueWork {
    private final SharedRing ring;
    private final Runnable event;
    private final Runnable again;

    /// @param event called if the guest wants an event
    /// @param again makes it run once more at once, after others
    ControlRing(SharedRing ring, Runnable event, Runnable again) {
        this.ring = ring;
        this.event = event;
        this.again = again;
    }

    /// The state of the ring; no run is in progress.
    RingState save() {
        return ring.save();
    }

    /// Answers the requests that are there, at most a ring full: a guest that adds more all the time gets the next run
    /// after the engine's other queues.
    ///
    /// @return whether there was any
    @Override
    public boolean run() {
        int count = ring.look();
        for (int left = count; left > 0; left--) {
            MemorySegment request = ring.take();
            short id = request.get(JAVA_SHORT_UNALIGNED, CtrlRequest.ID.offset64());
            short type = request.get(JAVA_SHORT_UNALIGNED, CtrlRequest.TYPE.offset64());
            MemorySegment answer = ring.blankAnswer();
            answer.set(JAVA_SHORT_UNALIGNED, CtrlResponse.ID.offset64(), id);
            answer.set(JAVA_SHORT_UNALIGNED, CtrlResponse.TYPE.offset64(), type);
            answer.set(
                    JAVA_INT_UNALIGNED, CtrlResponse.STATUS.offset64(), Netif.CTRL_NOT_SUPPORTED);
            ring.answer();
        }
        if (ring.publish()) {
            event.run();
        }
        if (ring.lookBeforeSleep() > 0) {
            again.run();
        }
        return count > 0;
    }
}
