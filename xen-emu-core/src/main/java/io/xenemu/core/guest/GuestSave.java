package io.xenemu.core.guest;

import io.xenemu.core.domain.BlockedException;
import io.xenemu.core.domain.Parts;
import io.xenemu.core.domain.SaveScope;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.migration.PageEncoding;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.SaveCancelledException;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One save of guests into one stream. What needs no state of the first guest, such as the contents of its kernel, is
/// written before the guests stop.
///
/// @param guests in the order of the stream
/// @param wanted what an operator wants
/// @param scope what the save covers
record GuestSave(
        Hypervisor hypervisor,
        List<SaveParty.Member> guests,
        DriverRequest.Save wanted,
        SaveScope scope) {
    private static final Logger log = LoggerFactory.getLogger(GuestSave.class);

    /// A save that is done.
    ///
    /// @param bytes that were written
    /// @param stoodStill for how long the guests did not run, if they go on
    record Outcome(long bytes, Duration stoodStill) {}

    /// Saves the guests, which then go on, or are paused, or have been shut down.
    ///
    /// @throws Refused if that cannot be done; the guests go on
    Outcome run() throws Refused {
        try (SaveTarget target = SaveTarget.open(wanted.place())) {
            guests.forEach(guest -> guest.inbox().cancelWith(() -> cancel(target)));
            Outcome outcome = write(target);
            if (wanted.then() == DomainOrder.Then.GO_ON) {
                target.complete();
            }
            return outcome;
        } catch (BlockedException e) {
            throw failed(names() + " cannot be saved: " + e.getMessage());
        } catch (StuckException e) {
            throw failed(names() + " cannot be stopped: " + e.getMessage());
        } catch (IOException e) {
            throw failed(wanted.place().path() + ": " + IoReason.withoutFile(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw givenUp();
        } finally {
            guests.forEach(guest -> guest.inbox().cancelWith(null));
        }
    }

    private String names() {
        return guests.stream().map(SaveParty.Member::name).collect(Collectors.joining(" and "));
    }

    private boolean isGivenUp() {
        return wanted.progress().isCancelled()
                || guests.stream().anyMatch(guest -> guest.inbox().isDestroyed());
    }

    /// A failure, whose reason may be that the save was given up.
    private Refused failed(String why) {
        return isGivenUp() ? givenUp() : new Refused(why);
    }

    private Refused givenUp() {
        for (SaveParty.Member guest : guests) {
            if (guest.inbox().isDestroyed()) {
                return Refusal.DESTROYED.of(guest.name());
            }
        }
        return new Refused("the save of " + names() + " was given up");
    }

    /// Ends the save on another thread, also if its reader does not read.
    private void cancel(SaveTarget target) {
        wanted.progress().cancel();
        try {
            target.close();
        } catch (IOException e) {
            log.debug("{}: {}", names(), e.toString());
        }
    }

    private Outcome write(SaveTarget target)
            throws IOException, Refused, BlockedException, InterruptedException {
        SaveWriter writer = new SaveWriter(target.channel(), PageEncoding.ZSTD);
        SaveParty.Member first = guests.getFirst();
        GuestDescription.write(writer, first.domain(), first.request());
        List<Parts> parts = guests.stream().map(guest -> guest.domain().parts()).toList();
        for (SaveParty.Member guest : guests) {
            guest.awaitMemory();
        }
        List<RamSource> ram =
                guests.stream().map(guest -> RamSource.of(guest.domain().memory())).toList();
        try (RamCopies copies = copies(ram);
                StandStill still = new StandStill(parts, scope)) {
            if (scope.isSuspended()) {
                still.states()
                        .getFirst()
                        .put("suspended", guests.getFirst().boot().suspendedState().saved());
            }
            long bytes;
            if (copies != null) {
                copies.take();
                requireNotGone();
                still.goOn();
                bytes = write(writer, still, copies.sources());
            } else {
                bytes = write(writer, still, ram);
                end(still, target);
            }
            if (wanted.then() != DomainOrder.Then.END) {
                hypervisor.saveMetrics().stoodStill(still.time());
            }
            return new Outcome(bytes, still.time());
        }
    }

    /// What becomes of guests that stand still when they have been written.
    private void end(StandStill still, SaveTarget target) throws IOException, Refused {
        if (wanted.then() != DomainOrder.Then.GO_ON) {
            target.complete();
        }
        requireNotGone();
        switch (wanted.then()) {
            case END -> {
                still.leave();
                guests.forEach(guest -> guest.boot().leave());
            }
            case GO_ON -> {}
            case STAY_PAUSED -> guests.forEach(guest -> guest.domain().pause());
        }
        still.goOn();
    }

    private void requireNotGone() throws Refused {
        if (guests.stream().anyMatch(guest -> guest.domain().shutdownLatch().get() != null)) {
            throw givenUp();
        }
    }

    /// Copies of the memory of guests that go on, so that they need not wait until it is written. A guest that has
    /// suspended itself has to: its drivers go on when all is done.
    ///
    /// @return null if they stand still until they are written
    private @Nullable RamCopies copies(List<RamSource> ram) throws SaveCancelledException {
        if (wanted.then() != DomainOrder.Then.GO_ON || scope.isSuspended()) {
            return null;
        }
        RamCopies copies = RamCopies.begin(ram, hypervisor.memory(), wanted.progress());
        if (copies == null) {
            log.info("{}: no room for a copy of its memory: stands still meanwhile", names());
        }
        return copies;
    }

    private long write(SaveWriter writer, StandStill still, List<RamSource> ram)
            throws IOException, Refused {
        for (int i = 0; i < guests.size(); i++) {
            if (i > 0) {
                SaveParty.Member guest = guests.get(i);
                GuestDescription.write(writer, guest.domain(), guest.request());
            }
            writer.state(XenState.write(still.states().get(i)));
            long _ = writer.ram(ram.get(i), wanted.progress());
        }
        return writer.end();
    }
}
