package io.xenemu.core.guest;

import io.xenemu.core.hypervisor.DomainEvent;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.SaveMetrics;
import io.xenemu.core.toolstack.Refused;
import java.time.Duration;
import java.util.List;

/// The driver's part of saves of a guest's domains. The driver does nothing else during a save. A destroy gives the
/// save up.
///
/// What keeps the guest from being saved is named before anything stops. If a save fails, the guest goes on here.
final class Saves {
    private final Hypervisor hypervisor;
    private final GuestInbox inbox;
    private final GuestRequest request;

    /// @param request for the guest's boots
    Saves(Hypervisor hypervisor, GuestInbox inbox, GuestRequest request) {
        this.hypervisor = hypervisor;
        this.inbox = inbox;
        this.request = request;
    }

    /// Carries out an operator's request, and answers it. If the guest ends here, its domain has been shut down when
    /// this returns.
    void carryOut(DriverRequest order, GuestBoot boot) {
        DriverRequest.Save wanted = order.save();
        Refused refused = null;
        DomainOrder.Then then = DomainOrder.Then.GO_ON;
        try {
            save(wanted, boot);
            then = wanted.then();
        } catch (Refused e) {
            refused = e;
        } finally {
            // Before the answer, since the caller may put the next request at once.
            switch (then) {
                case END -> {}
                case GO_ON -> inbox.running();
                case STAY_PAUSED -> inbox.savedAndPaused();
            }
        }
        if (refused == null) {
            order.done();
        } else {
            boolean _ = order.fail(refused);
        }
    }

    private void save(DriverRequest.Save wanted, GuestBoot boot) throws Refused {
        long begun = System.nanoTime();
        List<String> blockers = boot.domain().parts().blockers();
        if (!blockers.isEmpty()) {
            count(SaveMetrics.Result.BLOCKED, 0, begun);
            throw new Refused(
                    boot.domain().config().name()
                            + " cannot be saved: "
                            + String.join("\n", blockers));
        }
        boot.tell(DomainEvent.Type.SAVING);
        boolean done = false;
        try {
            GuestSave save = new GuestSave(hypervisor, inbox, request, wanted, boot);
            count(SaveMetrics.Result.OK, save.run(), begun);
            done = true;
        } finally {
            if (!done) {
                count(SaveMetrics.Result.FAILED, 0, begun);
                boot.tell(DomainEvent.Type.SAVE_FAILED);
            }
        }
        if (wanted.then() != DomainOrder.Then.END) {
            boot.saved(wanted.then());
        }
    }

    private void count(SaveMetrics.Result result, long bytes, long begun) {
        Duration time = Duration.ofNanos(System.nanoTime() - begun);
        hypervisor.saveMetrics().saved(result, bytes, time);
    }
}
