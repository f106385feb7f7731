package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.UpdateMetrics;
import io.xenemu.core.migration.UpdateLink;
import io.xenemu.core.migration.UpdateMessage;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.xenstore.state.XenStoreState;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The new process's half of a live update. It makes all guests of their states and of their memory, which the old
/// process has too and writes to if the update fails: so nothing here writes to it before the guests run.
final class UpdateTarget {
    private static final Logger log = LoggerFactory.getLogger(UpdateTarget.class);

    private final Hypervisor hypervisor;
    private final HostedGuests guests;
    private final UpdateLink link;

    private final Consumer<String> abandoned;

    /// The restore that is to be closed at the end.
    private @Nullable GuestsRestore restoring;

    private final UpdatedSocket socket = new UpdatedSocket();

    /// The memory files of guests that are not made yet, by their names.
    private final Map<String, MemFd> ram = new ConcurrentHashMap<>();

    /// @param hypervisor without a domain
    /// @param guests none yet
    /// @param link to the old process, which has been told nothing yet; the caller closes it
    /// @param abandoned gets the reason when the old process keeps the guests, before what was made of them here is
    ///     removed. In a daemon it ends this process, and does not return: an orderly end would unplug what the old
    ///     process still uses
    UpdateTarget(
            Hypervisor hypervisor,
            HostedGuests guests,
            UpdateLink link,
            Consumer<String> abandoned) {
        this.abandoned = abandoned;
        this.hypervisor = hypervisor;
        this.guests = guests;
        this.link = link;
    }

    /// Takes the guests over. When this returns, they run.
    ///
    /// @param program this one's name and version
    /// @return for how long they have not run
    /// @throws Refused if the old process has them
    Duration run(String program) throws Refused, InterruptedException {
        try {
            link.send(new UpdateMessage.Hello(UpdateMessage.VERSION, program));
            UpdateLink.Received states = states();
            try (MemFd file = Objects.requireNonNull(states.file())) {
                return take((UpdateMessage.States) states.message(), file);
            }
        } catch (BootException | KvmException | IllegalArgumentException e) {
            throw failed(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            throw failed(IoReason.of(e));
        } catch (XenError e) {
            throw failed("XenStore: " + e.symbol());
        } catch (Refused e) {
            throw failed(e.reason());
        } catch (RuntimeException | Error e) {
            log.error("this is a bug", e);
            throw failed("the new version has failed: " + e);
        } finally {
            GuestsRestore made = restoring;
            if (made != null) {
                made.close();
            }
            ram.values().forEach(MemFd::close);
            socket.close();
        }
    }

    /// Tells the old process, if it can be told.
    private Refused failed(String why) {
        try {
            link.send(new UpdateMessage.Refuse(why.lines().findFirst().orElse("")));
        } catch (IOException e) {
            log.debug("the old version is not told: {}", e.toString());
        }
        abandoned.accept(why);
        return new Refused(why);
    }

    private UpdateLink.Received states() throws IOException, Refused {
        while (true) {
            UpdateLink.Received next = link.receive();
            switch (next.message()) {
                case UpdateMessage.Ram(String guest, long _) -> {
                    MemFd before = ram.put(guest, next.file());
                    if (before != null) {
                        before.close();
                        throw new IOException("two guests are called " + guest);
                    }
                }
                case UpdateMessage.Device device ->
                        hypervisor.devices().receive(device(device), next.descriptors());
                case UpdateMessage.Socket sent -> socket.receive(sent, next.descriptors());
                case UpdateMessage.States _ -> {
                    return next;
                }
                case UpdateMessage.Refuse refuse -> throw new Refused(refuse.reason());
                case UpdateMessage.Hello _,
                        UpdateMessage.Ready _,
                        UpdateMessage.Go _,
                        UpdateMessage.Taken _,
                        UpdateMessage.Serving _ ->
                        throw new IOException("an unexpected message of the old version");
            }
        }
    }

    private static PvDevice device(UpdateMessage.Device message) throws IOException {
        DeviceKind kind = DeviceKind.ofDirectory(message.kind());
        if (kind == null) {
            throw new IOException("a device of an unknown kind: " + message.kind());
        }
        return new PvDevice(kind, message.domain(), DomId.DOM0, message.number());
    }

    private Duration take(UpdateMessage.States states, MemFd file)
            throws IOException, Refused, BootException, XenError, InterruptedException {
        hypervisor.goOnAfterDomainId(states.lastDomain());
        XenStoreState store = UpdateStates.store(file, states);
        hypervisor.xenstore().restoreBeforeDomains(store);
        if (states.guests() == 0) {
            socket.take(store, hypervisor.xenstore());
            decision();
            serveXenStore();
            return ran(states);
        }
        SavedStream stream =
                SavedStream.ofService(UpdateStates.guests(file, states), ram, new WorkProgress());
        GuestsRestore restore = new GuestsRestore(stream, () -> {});
        restoring = restore;
        List<String> names = new ArrayList<>();
        for (GuestImage image = stream.next(); image != null; image = stream.next()) {
            names.add(image.request().config().name());
            restore.make(image, guests.add(image, false));
        }
        restore.join();
        // Last: a client's transactions go on in the store with all guests.
        socket.take(store, hypervisor.xenstore());
        decision();
        serveXenStore();
        for (String reason : restore.letEachGo()) {
            log.error("a guest that was taken over does not run: {}", reason);
        }
        Duration downtime = ran(states);
        log.info("took {} over", names);
        return downtime;
    }

    private void serveXenStore() {
        try {
            hypervisor.xenstore().proceed();
        } catch (IOException e) {
            log.error("upgraded, but XenStore's socket has no file: {}", IoReason.of(e));
        }
    }

    private Duration ran(UpdateMessage.States states) {
        Duration downtime = Duration.between(states.stopped(), Instant.now());
        hypervisor.updateMetrics().ended(UpdateMetrics.Result.OK);
        hypervisor.updateMetrics().stoodStill(downtime);
        return downtime;
    }

    /// Waits for the old process's word, and gives this one's. Then the guests are here.
    ///
    /// @throws Refused if they stay there
    /// @throws IOException if the old process has gone: it may have done so before or after a word, so nothing runs
    ///     here
    private void decision() throws IOException, Refused {
        link.send(new UpdateMessage.Ready());
        switch (link.receive().message()) {
            case UpdateMessage.Go _ -> link.send(new UpdateMessage.Taken());
            case UpdateMessage.Refuse refuse -> throw new Refused(refuse.reason());
            case UpdateMessage.Hello _,
                    UpdateMessage.Ready _,
                    UpdateMessage.Ram _,
                    UpdateMessage.Device _,
                    UpdateMessage.Socket _,
                    UpdateMessage.States _,
                    UpdateMessage.Taken _,
                    UpdateMessage.Serving _ ->
                    throw new IOException("an unexpected message of the old version");
        }
    }
}
