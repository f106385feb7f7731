package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainTies;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import java.util.ArrayList;
import java.util.List;

/// One restore of the guests of a [SavedStream], as the thread sees it that waits for it. Each guest has its own
/// driver, which makes its domain; this thread lets them do so one after the other, as the stream has them.
final class GuestsRestore implements AutoCloseable {
    private final SavedStream stream;
    private final Runnable told;
    private final List<Made> all = new ArrayList<>();
    private boolean done;
    private boolean closed;

    private record Made(GuestImage image, HostedGuest guest) {}

    /// @param told called from time to time
    GuestsRestore(SavedStream stream, Runnable told) {
        this.stream = stream;
        this.told = told;
    }

    /// Starts a guest's driver, and waits until it has made the guest's domain, which does not run.
    ///
    /// @throws BootException when the image cannot be used, or the host cannot run the guest
    /// @throws Refused when one of the guests is destroyed
    void make(GuestImage image, HostedGuest guest)
            throws BootException, Refused, InterruptedException {
        begin(image, guest);
        List<Domain> _ = awaitMade();
    }

    /// Starts a guest's driver. [#awaitMade] follows.
    void begin(GuestImage image, HostedGuest guest) {
        all.add(new Made(image, guest));
        guest.begin();
    }

    /// Waits until the drivers have made the domains of all guests.
    ///
    /// @return the domains, in the order of the stream
    /// @throws BootException when an image cannot be used, or the host cannot run a guest
    /// @throws Refused when one of the guests is destroyed
    List<Domain> awaitMade() throws BootException, Refused, InterruptedException {
        while (!stream.gate().awaitMade(all.size(), Guest.TOLD_EVERY)) {
            told.run();
        }
        requireNoneFailed();
        return stream.gate().domains();
    }

    /// Whether none of the guests was destroyed; waits a moment for that.
    ///
    /// @throws Refused if one was
    void look() throws BootException, Refused, InterruptedException {
        for (Made made : all) {
            boolean _ = made.guest().isStarted();
        }
    }

    /// Connects the guests with each other before [#letGo], while all of it may still fail.
    ///
    /// @throws BootException when one of them has failed
    /// @throws Refused when one of them is destroyed, or their states contradict each other
    void join() throws BootException, Refused, InterruptedException {
        try {
            stream.gate().join(DomainTies::join);
        } catch (IllegalArgumentException e) {
            throw new Refused("the saved guests cannot be used: " + e.getMessage());
        }
        requireNoneFailed();
    }

    /// Connects the guests with each other, and lets them go on.
    ///
    /// @throws BootException when one of them has failed
    /// @throws Refused when one of them is destroyed, or their states contradict each other
    void letGo() throws BootException, Refused, InterruptedException {
        try {
            stream.gate().open(DomainTies::join);
        } catch (IllegalArgumentException e) {
            throw new Refused("the saved guests cannot be used: " + e.getMessage());
        }
        requireNoneFailed();
        for (Made made : all) {
            awaitStart(made.guest());
        }
        stream.runs();
        done = true;
    }

    /// Lets the guests go on after [#join], each by itself: one that cannot does not keep the others.
    ///
    /// @return the reasons of those that cannot
    List<String> letEachGo() throws InterruptedException {
        stream.gate().open(_ -> {});
        done = true;
        List<String> reasons = new ArrayList<>();
        for (Made made : all) {
            try {
                awaitStart(made.guest());
            } catch (BootException | Refused | KvmException e) {
                reasons.add(made.guest().name() + ": " + e.getMessage());
            }
        }
        return reasons;
    }

    private void requireNoneFailed() throws BootException, Refused, InterruptedException {
        GuestImage failed = stream.gate().failed();
        for (Made made : all) {
            if (made.image().equals(failed)) {
                awaitStart(made.guest());
            }
        }
        if (failed != null) {
            throw new IllegalStateException("a guest has started whose image has failed");
        }
    }

    /// Waits for a guest's start, or throws what has kept it from starting.
    private void awaitStart(HostedGuest guest) throws BootException, Refused, InterruptedException {
        while (!guest.isStarted()) {
            told.run();
        }
    }

    /// Ends the restore. If it has failed, all of its guests have ended when this returns. Calling it twice is allowed.
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (!done) {
            stream.cancel();
            all.forEach(made -> made.guest().destroyNow());
        }
        stream.close();
    }
}
