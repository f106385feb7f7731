package io.xenemu.core.guest;

import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.hypervisor.DomainEvent;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.SaveMetrics;
import io.xenemu.core.toolstack.Refused;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// The driver's part of saves of a guest's domains. The driver does nothing else during a save. A destroy gives the
/// save up.
///
/// What keeps the guest from being saved is named before anything stops. If a save fails, the guest goes on here.
/// Several guests are saved by the driver of one of them, while the others' wait: see [SaveParty].
final class Saves {
    private final Hypervisor hypervisor;
    private final GuestInbox inbox;
    private final GuestRequest request;
    private final Duration suspendLimit;

    /// @param request for the guest's boots
    /// @param suspendLimit how long the guest may take to suspend itself
    Saves(Hypervisor hypervisor, GuestInbox inbox, GuestRequest request, Duration suspendLimit) {
        this.hypervisor = hypervisor;
        this.inbox = inbox;
        this.request = request;
        this.suspendLimit = suspendLimit;
    }

    /// Carries out an operator's request, and answers it. If the guest ends here, its domain has been shut down when
    /// this returns.
    void carryOut(DriverRequest order, GuestBoot boot) {
        DriverRequest.Save wanted = order.save();
        Refused refused = null;
        DomainOrder.Then then = DomainOrder.Then.GO_ON;
        try {
            SaveParty.Member member = new SaveParty.Member(inbox, request, boot);
            if (wanted.suspend()) {
                saveSuspended(wanted, member);
            } else {
                save(wanted, member);
            }
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

    /// Carries out an operator's request to move the guest to another host, alone or with others, and answers it. If
    /// the guest leaves, its domain has been shut down when this returns.
    void migrate(DriverRequest order, GuestBoot boot) {
        boolean left = false;
        Refused refused = null;
        try {
            left = moves(order, new SaveParty.Member(inbox, request, boot));
        } catch (Refused e) {
            refused = e;
        } finally {
            // Before the answer, since the caller may put the next request at once.
            if (!left) {
                inbox.running();
            }
        }
        if (refused == null) {
            order.done();
        } else {
            boolean _ = order.fail(refused);
        }
    }

    /// @return whether the guest has left
    private boolean moves(DriverRequest order, SaveParty.Member member) throws Refused {
        SaveParty party = order.migrate().party();
        inbox.cancelWith(() -> party.giveUp(Refusal.DESTROYED.of(member.name())));
        try {
            List<SaveParty.Member> all = party.arrive(member);
            if (!all.isEmpty()) {
                return movesAll(order, all);
            }
            party.await(inbox);
            return party.haveLeft();
        } finally {
            inbox.cancelWith(null);
        }
    }

    /// Moves all guests of a party, and tells the other drivers the result.
    private boolean movesAll(DriverRequest order, List<SaveParty.Member> all) throws Refused {
        SaveParty party = order.migrate().party();
        Refused failure = new Refused("the migration has failed");
        boolean done = false;
        try {
            boolean left = new MigrationSource(hypervisor, all, order).run();
            done = true;
            party.moved(left);
            return left;
        } catch (Refused e) {
            failure = e;
            throw e;
        } finally {
            if (!done) {
                party.failed(failure);
            }
        }
    }

    /// Lets the service hand the guest over, and answers the request. If the guest leaves, its domain has been shut
    /// down when this returns.
    void handOver(DriverRequest order, GuestBoot boot) {
        boolean left = false;
        try {
            UpdateParty party = order.party();
            party.arrive(new SaveParty.Member(inbox, request, boot));
            left = party.await();
        } finally {
            if (!left) {
                inbox.running();
            }
        }
        order.done();
    }

    /// Saves the guest when it has suspended itself.
    private void saveSuspended(DriverRequest.Save wanted, SaveParty.Member member) throws Refused {
        freezeDevices(List.of(member));
        try {
            suspendAndSave(wanted, member);
        } finally {
            hypervisor.devices().thaw(member.domain());
        }
    }

    private void suspendAndSave(DriverRequest.Save wanted, SaveParty.Member member) throws Refused {
        requireNoBlockers(List.of(member), SaveScope.SUSPENDED, System.nanoTime());
        CooperativeSuspend suspend = new CooperativeSuspend(inbox, member.boot());
        suspend.run(wanted.progress(), suspendLimit);
        boolean leaves = false;
        try {
            save(wanted, member);
            leaves = wanted.then() == DomainOrder.Then.END;
        } finally {
            if (!leaves) {
                suspend.undo();
            }
        }
    }

    private void save(DriverRequest.Save wanted, SaveParty.Member member) throws Refused {
        SaveParty party = wanted.party();
        inbox.cancelWith(() -> party.giveUp(Refusal.DESTROYED.of(member.name())));
        try {
            List<SaveParty.Member> all = party.arrive(member);
            if (all.isEmpty()) {
                party.await(inbox);
            } else {
                lead(wanted, all);
            }
        } finally {
            inbox.cancelWith(null);
        }
    }

    /// Saves all guests of a party, and tells the other drivers the result.
    private void lead(DriverRequest.Save wanted, List<SaveParty.Member> all) throws Refused {
        Refused failure = new Refused("the save has failed");
        boolean done = false;
        try {
            freezeDevices(all);
            Duration pause = save(wanted, all);
            // Before the answer, since the caller may attach the next device at once.
            thawDevices(all);
            done = true;
            wanted.party().saved(pause);
        } catch (Refused e) {
            failure = e;
            throw e;
        } finally {
            if (!done) {
                thawDevices(all);
                wanted.party().failed(failure);
            }
        }
    }

    /// Lets the devices of the guests stay as they are. One that came meanwhile would be lost, or be saved in part.
    private void freezeDevices(List<SaveParty.Member> all) throws Refused {
        for (SaveParty.Member member : all) {
            try {
                hypervisor.devices().freeze(member.domain(), "saved");
            } catch (Refused e) {
                throw new Refused(e.kind(), member.name() + " cannot be saved now: " + e.reason());
            }
        }
    }

    private void thawDevices(List<SaveParty.Member> all) {
        all.forEach(member -> hypervisor.devices().thaw(member.domain()));
    }

    /// @return how long the guests have stood still, if they go on
    private Duration save(DriverRequest.Save wanted, List<SaveParty.Member> all) throws Refused {
        long begun = System.nanoTime();
        SaveScope scope = wanted.suspend() ? SaveScope.SUSPENDED : SaveParty.scope(all);
        requireNoBlockers(all, scope, begun);
        all.forEach(member -> member.boot().tell(DomainEvent.Type.SAVING));
        boolean done = false;
        Duration pause;
        try {
            GuestSave.Outcome outcome = new GuestSave(hypervisor, all, wanted, scope).run();
            count(SaveMetrics.Result.OK, outcome.bytes(), begun);
            pause = outcome.stoodStill();
            done = true;
        } finally {
            if (!done) {
                count(SaveMetrics.Result.FAILED, 0, begun);
                all.forEach(member -> member.boot().tell(DomainEvent.Type.SAVE_FAILED));
            }
        }
        if (wanted.then() != DomainOrder.Then.END) {
            all.forEach(member -> member.boot().saved(wanted.then()));
        }
        return pause;
    }

    private void requireNoBlockers(List<SaveParty.Member> all, SaveScope scope, long begun)
            throws Refused {
        List<String> reasons = new ArrayList<>();
        for (SaveParty.Member member : all) {
            List<String> blockers = member.domain().parts().blockers(scope);
            if (!blockers.isEmpty()) {
                reasons.add(member.name() + " cannot be saved: " + String.join("\n", blockers));
            }
            if (!blockers.isEmpty() && isSavedSuspended(member, scope)) {
                reasons.add(member.name() + " can take part instead: save --suspend saves it");
            }
        }
        if (!reasons.isEmpty()) {
            count(SaveMetrics.Result.BLOCKED, 0, begun);
            throw new Refused(String.join("\n", reasons));
        }
    }

    /// Whether none of the reasons keeps a guest from being saved that takes part.
    private static boolean isSavedSuspended(SaveParty.Member member, SaveScope scope) {
        return !scope.isSuspended()
                && member.boot().canSuspend()
                && member.domain().parts().blockers(SaveScope.SUSPENDED).isEmpty();
    }

    private void count(SaveMetrics.Result result, long bytes, long begun) {
        Duration time = Duration.ofNanos(System.nanoTime() - begun);
        hypervisor.saveMetrics().saved(result, bytes, time);
    }
}
