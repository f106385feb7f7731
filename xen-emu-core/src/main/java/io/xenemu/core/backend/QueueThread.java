package io.xenemu.core.backend;

import io.xenemu.kvm.memory.EventFd;
import java.time.Duration;

/// The thread that does the work of a queue, as the queue sees it. Several queues may share one, each with a
/// `QueueThread` of its own. Work begins with [#open], and so never before the connection is complete.
///
/// Thread-safe.
public interface QueueThread {
    /// The eventfd that wakes the thread. KVM signals it when the guest sends.
    EventFd eventFd();

    /// Lets the work run once more after the signal. Signals coalesce; none is lost. Does not wait. Does nothing after
    /// the end.
    void signal();

    /// Makes each time that a further descriptor becomes readable a signal, such as a tap's frames or a timer. It need
    /// not be read for the next signal. The descriptor stays its owner's, who closes it when the thread has ended.
    ///
    /// @throws io.xenemu.kvm.abi.KvmException if it cannot be waited for
    void watch(int descriptor);

    /// Lets the work run, for the first time or again after [#hold], and signals it.
    void open();

    /// Keeps the work from running until [#open], and waits for a run in progress.
    ///
    /// @return false if it is still running after `limit`; then it goes on as before
    boolean hold(Duration limit) throws InterruptedException;

    /// Ends it: no work runs any more once this has returned true. Called again after false. Not for the work itself.
    ///
    /// @return false if work is still running after `limit`
    boolean end(Duration limit) throws InterruptedException;
}
