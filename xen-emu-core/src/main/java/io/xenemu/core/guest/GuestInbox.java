package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownReason;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The queue in which threads leave their requests for the driver of a guest, and at which the driver waits. The
/// monitor is a leaf: nothing is called with it held.
final class GuestInbox {
    private final String guest;

    @GuardedBy("this")
    private final GuestRequests requests;

    /// Whether something has happened since the driver last waited.
    @GuardedBy("this")
    private boolean news;

    /// The domain of the current boot, from when it is built until it is removed.
    @GuardedBy("this")
    private @Nullable Domain domain;

    /// Cancels what the driver does, if that may last long.
    @GuardedBy("this")
    private @Nullable Runnable work;

    /// @param guest its name
    GuestInbox(String guest) {
        this.guest = guest;
        requests = new GuestRequests();
    }

    /// That of a guest that is preserved from its beginning.
    ///
    /// @param guest its name
    GuestInbox(String guest, Domain preserved) {
        this.guest = guest;
        requests = GuestRequests.ofPreserved();
        domain = preserved;
    }

    /// Puts a request. A refused one has its answer when this returns.
    GuestRequests.Answer put(DriverRequest request) {
        Refusal refusal;
        GuestRequests.Answer answer = GuestRequests.Answer.REFUSED;
        synchronized (this) {
            refusal = isForThisBoot(request) ? requests.refusal(request.kind()) : Refusal.GONE;
            if (refusal == null) {
                answer = requests.put(request);
                news = true;
                notifyAll();
            }
        }
        if (refusal != null) {
            refuse(request, refusal);
        }
        return answer;
    }

    @GuardedBy("this")
    private boolean isForThisBoot(DriverRequest request) {
        Domain current = domain;
        return request.domain() == null
                || (current != null && current.id().equals(request.domain()));
    }

    /// Answers that a request is refused.
    void refuse(DriverRequest request, Refusal refusal) {
        boolean _ = request.fail(refusal.of(guest));
    }

    /// Destroys the guest. Stops its domain at once as well: the driver may be waiting for one of the vCPUs.
    void destroy() {
        Domain current;
        Runnable cancel;
        synchronized (this) {
            requests.destroy();
            current = domain;
            cancel = work;
            news = true;
            notifyAll();
        }
        if (current != null) {
            current.shutdown(ShutdownReason.DESTROYED, "");
        }
        if (cancel != null) {
            cancel.run();
        }
    }

    /// Makes the next stop of its domain the guest's end.
    synchronized void endAtStop() {
        requests.endAtStop();
        news = true;
        notifyAll();
    }

    synchronized GuestState state() {
        return requests.state();
    }

    /// Whether the guest has been destroyed: it ends as soon as its driver can end it.
    synchronized boolean isDestroyed() {
        return requests.isDestroyed();
    }

    synchronized boolean endsAtStop() {
        return requests.endsAtStop();
    }

    /// Ends the driver's wait: an event that it waits for has happened.
    synchronized void wake() {
        news = true;
        notifyAll();
    }

    /// Waits for news. For the driver alone, as are all methods below.
    ///
    /// @param nanos the longest wait; none if it is not positive
    synchronized void await(long nanos) throws InterruptedException {
        long begun = System.nanoTime();
        long left = nanos;
        while (!news && left > 0) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
            left = nanos - (System.nanoTime() - begun);
        }
        news = false;
    }

    /// The next request that can be carried out or refused now; null if there is none.
    synchronized GuestRequests.@Nullable Step next() {
        return requests.next();
    }

    /// The domain of a new boot has been built.
    synchronized void built(Domain built) {
        domain = built;
    }

    /// The domain runs.
    synchronized void running() {
        requests.running();
    }

    /// The domain was saved, and stays paused by one more pause.
    synchronized void savedAndPaused() {
        requests.savedAndPaused();
    }

    /// The domain was made from a saved state.
    ///
    /// @param pauses that it had
    synchronized void restored(int pauses) {
        requests.restored(pauses);
    }

    /// Calls `cancel` if the guest is destroyed, or has been: the driver does what may last long.
    ///
    /// @param cancel called once, with no lock held; null for no such work
    void cancelWith(@Nullable Runnable cancel) {
        boolean now;
        synchronized (this) {
            work = cancel;
            now = requests.isDestroyed();
        }
        if (now && cancel != null) {
            cancel.run();
        }
    }

    /// The domain has suspended itself.
    synchronized void suspended() {
        requests.suspended();
    }

    /// A pause has failed, and the domain goes on as before.
    synchronized void pauseFailed() {
        requests.pauseFailed();
    }

    /// The domain has stopped, and stays.
    synchronized void preserved() {
        requests.preserved();
    }

    /// A dump that was taken is over.
    synchronized void dumped() {
        requests.dumped();
    }

    /// The domain has stopped, and the guest boots again.
    synchronized void rebooting() {
        requests.rebooting();
        domain = null;
    }

    /// The next boot begins.
    synchronized void startAgain() {
        requests.startAgain();
    }

    /// The guest does not run again.
    synchronized void end() {
        requests.end();
        domain = null;
    }
}
