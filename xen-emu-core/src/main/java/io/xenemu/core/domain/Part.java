package io.xenemu.core.domain;

import java.util.Optional;

/// One part of a guest with a life of its own. A domain's parts are in one list ([Parts]). Each implements what happens
/// to it when the domain stands still, is saved, and ends. There are no default methods: a part that has nothing to do
/// says so.
///
/// Restoring is not part of the contract: a restored part is constructed from its state ([XenState]).
///
/// The thread that drives the guest calls these methods, one after another.
public interface Part extends AutoCloseable {
    /// Its name, unique in the domain: `evtchn`, `timers`, `console`.
    String name();

    /// Brings the part to a stop. The parts above it, the vCPUs first, stand still. When this returns, nothing of this
    /// part is under way, and nothing begins until [#resume].
    ///
    /// @throws StuckException if the part does not stop in time; it then goes on
    void quiesce() throws InterruptedException;

    /// Lets the part go on after [#quiesce], whether its state was saved or not.
    void resume();

    /// The reason for which this part keeps the guest from being saved, as one line for an operator; empty if there is
    /// none. Asked while the guest runs, and again after [#quiesce]. Waits for no vCPU.
    ///
    /// @param scope what the save covers
    Optional<String> blocker(SaveScope scope);

    /// The part's answer to a save; called after [#quiesce], when no part had a [#blocker]. It changes nothing: the
    /// part can be asked again.
    PartState save();

    /// Ends the part for good.
    @Override
    void close();
}
