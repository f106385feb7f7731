package io.xenemu.core.guest;

import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.DomId;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.jspecify.annotations.Nullable;

/// A request to the driver of a guest, and its answer. Any thread may wait for the answer; the driver gives it.
final class DriverRequest {
    /// The kinds of requests. Destroying a guest is none of them: nothing queues it.
    enum Kind {
        START,
        PAUSE,
        UNPAUSE,
        /// Asks the guest by XenStore to power off.
        SHUT_DOWN,
        /// Asks the guest by XenStore to reboot.
        REBOOT,
        /// Asks the guest by XenStore to suspend, and waits until it has.
        SUSPEND,
        /// Cancels a suspend.
        RESUME,
        SAVE,
        MIGRATE
    }

    private final Kind kind;
    private final @Nullable DomId domain;
    private final CompletableFuture<Void> answer = new CompletableFuture<>();

    private DriverRequest(Kind kind, @Nullable DomId domain) {
        this.kind = kind;
        this.domain = domain;
    }

    /// A request to the guest, whichever domain it has.
    static DriverRequest of(Kind kind) {
        return new DriverRequest(kind, null);
    }

    /// A request to the guest while it has this domain.
    static DriverRequest of(Kind kind, DomId domain) {
        return new DriverRequest(kind, domain);
    }

    Kind kind() {
        return kind;
    }

    /// The domain that it is for; null for whichever the guest has.
    @Nullable DomId domain() {
        return domain;
    }

    /// Answers that the request has been carried out.
    void done() {
        answer.complete(null);
    }

    /// Answers that it has not been carried out.
    ///
    /// @return false if it was answered before
    boolean fail(Throwable failure) {
        return answer.completeExceptionally(failure);
    }

    /// Waits for the answer. A request that nobody waits for any more is carried out nevertheless.
    ///
    /// @throws Refused the request was refused
    /// @throws ExecutionException it failed
    void await() throws Refused, InterruptedException, ExecutionException {
        try {
            answer.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Refused refused) {
                throw refused;
            }
            throw e;
        }
    }

    @Override
    public String toString() {
        return kind + (domain == null ? "" : " of " + domain);
    }
}
