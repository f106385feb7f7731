package io.xenemu.core.guest;

import com.google.common.primitives.ImmutableIntArray;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.domain.BlockedException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Parts;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.UpdateMetrics;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.migration.UpdateMessage;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.xenstore.state.XenStoreState;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The old process's half of a live update, on a thread of its own. Its steps are in this order, for these reasons:
///
/// 1. What is against it is named while nothing has happened.
/// 2. The memory files go while the guests run: they stay where they are.
/// 3. The clients of XenStore wait, and all guests stand still together. Their states are written.
/// 4. **Ready**: the new process has loaded and checked all. Until here the guests go on whatever fails.
/// 5. **Go**: this process waits for one word. The new one says **taken** before it runs anything, so without that word
///    it has run nothing. On one host its end is seen for certain: then the guests go on here.
final class UpdateSource {
    private static final Logger log = LoggerFactory.getLogger(UpdateSource.class);

    /// The time for the drivers of all guests to come together.
    private static final Duration GATHER_LIMIT = Duration.ofSeconds(10);

    /// The longest wait for a new process that loads the states, while the guests stand still.
    private static final Duration READY_LIMIT = Duration.ofSeconds(60);

    /// The interval at which an operator is told of a new process that does not answer.
    private static final Duration TELL_EVERY = Duration.ofSeconds(30);

    private static final long RETRY_MILLIS = 200;

    private final Hypervisor hypervisor;
    private final HostedGuests guests;
    private final UpdateLink link;
    private final Runnable left;
    private final Duration readyLimit;
    private final CountDownLatch ended = new CountDownLatch(1);

    /// Whether the new process may run the guests.
    @GuardedBy("this")
    private boolean gone;

    @GuardedBy("this")
    private boolean tooLate;

    /// @param link to the new process, which has been told nothing yet
    /// @param left called when the new process runs the guests; in a daemon it does not return
    UpdateSource(Hypervisor hypervisor, HostedGuests guests, UpdateLink link, Runnable left) {
        this(hypervisor, guests, link, left, READY_LIMIT);
    }

    /// @param readyLimit the longest wait for the new process to be ready
    UpdateSource(
            Hypervisor hypervisor,
            HostedGuests guests,
            UpdateLink link,
            Runnable left,
            Duration readyLimit) {
        this.hypervisor = hypervisor;
        this.guests = guests;
        this.link = link;
        this.left = left;
        this.readyLimit = readyLimit;
    }

    /// What keeps the guests from being handed over now; empty if nothing does.
    static List<String> blockers(Hypervisor hypervisor, HostedGuests guests) {
        List<String> reasons = new ArrayList<>();
        Map<String, Domain> byName = new HashMap<>();
        hypervisor.operated().forEach(domain -> byName.put(domain.config().name(), domain));
        List<Domain> domains = new ArrayList<>();
        for (HostedGuest guest : guests.present()) {
            String name = guest.name();
            switch (guest.state()) {
                case RUNNING, PAUSED -> {
                    Domain domain = byName.get(name);
                    if (domain != null) {
                        domains.add(domain);
                    }
                }
                case MADE, STARTING -> reasons.add(name + " is starting");
                case SUSPENDED -> reasons.add(Refusal.SUSPENDED.of(name).reason());
                case SAVING -> reasons.add(Refusal.SAVING.of(name).reason());
                case MIGRATING -> reasons.add(Refusal.MIGRATING.of(name).reason());
                case PRESERVED -> reasons.add(name + " has stopped, and is preserved");
                case REBOOTING -> reasons.add(Refusal.REBOOTING.of(name).reason());
                case ENDED -> reasons.add(name + " ends");
            }
        }
        SaveScope scope = scope(domains);
        for (Domain domain : domains) {
            for (String reason : blockers(hypervisor, domain, scope)) {
                reasons.add(domain.config().name() + ": " + reason);
            }
        }
        return reasons;
    }

    private static SaveScope scope(List<Domain> domains) {
        return SaveScope.handedOver(domains.stream().map(Domain::id).toList());
    }

    private static List<String> blockers(Hypervisor hypervisor, Domain domain, SaveScope scope) {
        List<String> reasons = new ArrayList<>(domain.parts().blockers(scope));
        reasons.addAll(hypervisor.devices().stays(domain));
        return reasons;
    }

    /// Hands the guests over.
    ///
    /// @throws Refused if they go on here
    void run() throws Refused {
        UpdateMetrics.Result result = UpdateMetrics.Result.FAILED;
        try {
            hello();
            List<String> blockers = blockers(hypervisor, guests);
            if (!blockers.isEmpty()) {
                result = UpdateMetrics.Result.BLOCKED;
                throw new Refused(String.join("\n", blockers));
            }
            handOver();
            result = UpdateMetrics.Result.OK;
        } catch (BlockedException e) {
            throw failed(String.valueOf(e.getMessage()));
        } catch (StuckException e) {
            throw failed("the guests cannot be stopped: " + e.getMessage());
        } catch (KvmException e) {
            throw failed(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            throw failed(IoReason.of(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw failed("the service ends");
        } catch (Refused e) {
            throw failed(e.reason());
        } finally {
            ended.countDown();
            link.close();
            if (result != UpdateMetrics.Result.OK) {
                hypervisor.updateMetrics().ended(result);
            }
        }
    }

    /// Tells the new process, if it can be told.
    private Refused failed(String why) {
        String reason = isTooLate() ? "the new version was not ready in time" : why;
        try {
            link.send(new UpdateMessage.Refuse(reason.lines().findFirst().orElse("")));
        } catch (IOException e) {
            log.debug("the new version is not told: {}", e.toString());
        }
        return new Refused(reason);
    }

    private synchronized boolean isTooLate() {
        return tooLate;
    }

    private void hello() throws IOException, Refused {
        if (!(link.receive().message() instanceof UpdateMessage.Hello hello)) {
            throw new IOException("the new version does not say what it is");
        }
        if (hello.version() < UpdateMessage.VERSION) {
            throw new Refused(
                    "%s knows only version %d of live updates, and this one has %d"
                            .formatted(hello.program(), hello.version(), UpdateMessage.VERSION));
        }
        log.info("{} takes over", hello.program());
    }

    private void handOver() throws IOException, Refused, BlockedException, InterruptedException {
        List<HostedGuest> all = guests.present();
        UpdateParty party = new UpdateParty(all.size());
        boolean haveLeft = false;
        try {
            List<DriverRequest> requests = new ArrayList<>();
            for (HostedGuest guest : all) {
                DriverRequest request = DriverRequest.of(party);
                requests.add(request);
                guest.put(request);
            }
            for (DriverRequest request : requests) {
                if (request.isAnswered()) {
                    // Only a refusal is answered at once.
                    boolean _ = Guest.isAnswered(request);
                }
            }
            haveLeft = handOver(party.all(GATHER_LIMIT));
        } finally {
            party.end(haveLeft);
        }
    }

    private boolean handOver(List<SaveParty.Member> members)
            throws IOException, Refused, BlockedException, InterruptedException {
        for (SaveParty.Member member : members) {
            // Waits for memory that still comes.
            MemFd ram = member.domain().memory().ramFile();
            link.send(new UpdateMessage.Ram(member.name(), ram.size()), ram);
        }
        List<Parts> parts = members.stream().map(one -> one.domain().parts()).toList();
        SaveScope scope = scope(members.stream().map(SaveParty.Member::domain).toList());
        boolean done = false;
        try (MemFd file = UpdateStates.create(members)) {
            // First: what a client writes to a guest's nodes is in the guest's state, or waits.
            hypervisor.xenstore().hold();
            Instant stopped = Instant.now();
            try (StandStill still = new StandStill(parts, scope)) {
                for (SaveParty.Member member : members) {
                    sendDevices(member.domain());
                }
                XenStoreState store = hypervisor.xenstore().saveWithSocket();
                UpdatedSocket.send(link, hypervisor.xenstore().socketPath(), store);
                link.send(
                        UpdateStates.write(
                                file,
                                members,
                                still.states(),
                                store,
                                hypervisor.lastDomainId(),
                                stopped),
                        file);
                limitReady();
                awaitReady();
                go(members);
                awaitTaken();
                done = true;
                hypervisor.xenstore().handedOver();
                members.forEach(member -> hypervisor.devices().handedOver(member.domain()));
                left.run();
                still.leave();
                members.forEach(member -> member.boot().leave());
                return true;
            }
        } finally {
            if (!done) {
                hypervisor.xenstore().proceed();
            }
        }
    }

    private void sendDevices(Domain domain) throws IOException, Refused {
        Map<PvDevice, ImmutableIntArray> all = hypervisor.devices().descriptors(domain);
        for (Map.Entry<PvDevice, ImmutableIntArray> one : all.entrySet()) {
            PvDevice device = one.getKey();
            UpdateMessage message =
                    new UpdateMessage.Device(domain.id(), device.kind().directory(), device.id());
            ImmutableIntArray descriptors = one.getValue();
            int sent = 0;
            do {
                int end = Math.min(descriptors.length(), sent + MessageSocket.MAX_DESCRIPTORS);
                link.send(message, descriptors.subArray(sent, end));
                sent = end;
            } while (sent < descriptors.length());
        }
    }

    private void awaitReady() throws IOException, Refused {
        UpdateMessage message = link.receive().message();
        if (message instanceof UpdateMessage.Refuse refuse) {
            throw new Refused("the new version cannot take over: " + refuse.reason());
        }
        if (!(message instanceof UpdateMessage.Ready)) {
            throw new IOException("an unexpected message of the new version");
        }
    }

    /// Waits until the new process has the guests. As long as it may have them, none of them goes on here.
    ///
    /// @throws Refused if it does not have them
    private void awaitTaken() throws Refused, InterruptedException {
        tellUnanswered();
        while (true) {
            try {
                UpdateMessage message = link.receive().message();
                if (message instanceof UpdateMessage.Taken) {
                    return;
                }
                if (message instanceof UpdateMessage.Refuse refuse) {
                    throw new Refused("the new version cannot take over: " + refuse.reason());
                }
                log.warn("an unexpected message of the new version");
            } catch (UpdateLink.PeerGoneException e) {
                throw new Refused("the new version has ended");
            } catch (IOException e) {
                log.warn("cannot read what the new version says: {}", e.toString());
                TimeUnit.MILLISECONDS.sleep(RETRY_MILLIS);
            }
        }
    }

    /// Nothing runs here from now on, unless the new process ends without a word.
    private synchronized void go(List<SaveParty.Member> members) throws IOException, Refused {
        for (SaveParty.Member member : members) {
            if (member.domain().shutdownLatch().get() != null) {
                throw new Refused(member.name() + " has ended or rebooted meanwhile");
            }
        }
        link.send(new UpdateMessage.Go());
        gone = true;
    }

    /// Gives a new process up that is not ready in time.
    private void limitReady() {
        Thread _ =
                Thread.ofPlatform()
                        .daemon()
                        .name("upgrade-limit")
                        .start(() -> {
                            if (!hasEnded(readyLimit)) {
                                giveUp();
                            }
                        });
    }

    private boolean hasEnded(Duration limit) {
        try {
            return ended.await(limit.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    private synchronized void giveUp() {
        if (!gone) {
            tooLate = true;
            link.shutdown();
        }
    }

    /// After it may run the guests, only its end lets them go on here.
    private void tellUnanswered() {
        Thread _ =
                Thread.ofPlatform()
                        .daemon()
                        .name("upgrade-watch")
                        .start(() -> {
                            while (!hasEnded(TELL_EVERY)) {
                                log.warn(
                                        "the new version does not say that it runs the guests: they stand still, and go"
                                                + " on here when its process is killed");
                            }
                        });
    }
}
