package io.xenemu.core.domain;

import io.xenemu.core.host.Teardown;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The parts of a guest in one order, from the bottom, which was made first, to the top. The vCPUs are always on top,
/// even above parts that are added later, such as devices: they make work for the others.
///
/// Parts stop from the top down, and go on from the bottom up. [#quiesce] and [#close] begin with the vCPUs and then
/// take the newest part first; [#resume] ends with the vCPUs.
///
/// Not thread-safe: for the thread that drives the guest.
public final class Parts implements AutoCloseable {
    private final Part vcpus;

    /// The other parts, from the bottom to the top.
    private final List<Part> others = new ArrayList<>();

    /// The parts that stand still, in the order in which they were stopped.
    private final List<Part> quiet = new ArrayList<>();

    private final Teardown ends = new Teardown();

    /// @param vcpus the part that makes work for all others
    Parts(Part vcpus) {
        this.vcpus = vcpus;
    }

    /// Puts a part on the others, below the vCPUs. It is closed with the domain.
    ///
    /// @throws IllegalArgumentException if there is one of that name
    /// @throws IllegalStateException if the parts stand still
    void add(Part part) {
        require(quiet.isEmpty(), "is added while the parts stand still", part);
        if (topDown().stream().anyMatch(other -> other.name().equals(part.name()))) {
            throw new IllegalArgumentException("a second part is called " + part.name());
        }
        others.add(part);
        ends.add(part::close);
    }

    private static void require(boolean isSo, String what, Object part) {
        if (!isSo) {
            throw new IllegalStateException(part + " " + what);
        }
    }

    private List<Part> topDown() {
        List<Part> order = new ArrayList<>();
        order.add(vcpus);
        order.addAll(others.reversed());
        return order;
    }

    /// Stops every part. If one fails, those that stand still go on.
    ///
    /// @throws StuckException if a part does not stop in time
    public void quiesce() throws InterruptedException {
        require(quiet.isEmpty(), "stand still already", "the parts");
        boolean done = false;
        try {
            for (Part part : topDown()) {
                part.quiesce();
                quiet.add(part);
            }
            done = true;
        } finally {
            if (!done) {
                resume();
            }
        }
    }

    /// Lets every part go on that stands still, even if others fail. Throws the first failure.
    public void resume() {
        // Steps run in reverse order.
        Teardown steps = new Teardown();
        quiet.forEach(part -> steps.add(part::resume));
        quiet.clear();
        steps.close();
    }

    /// The answer of every part, from the bottom to the top. They stand still. They are asked from the top down: the
    /// VM's clock, which is of a lower part, is not behind the vCPUs' accounts of their time.
    ///
    /// @throws BlockedException if a part cannot be saved
    public Map<String, PartState> save() throws BlockedException {
        return save(SaveScope.ALONE);
    }

    /// The answer of every part to a save of this scope.
    ///
    /// @throws BlockedException if a part cannot be saved
    public Map<String, PartState> save(SaveScope scope) throws BlockedException {
        require(!quiet.isEmpty(), "do not stand still", "the parts");
        requireNoBlockers(scope);
        LinkedHashMap<String, PartState> states = new LinkedHashMap<>();
        topDown().forEach(part -> states.putFirst(part.name(), part.save()));
        return states;
    }

    /// Stops every part, and asks each for its state. The parts are asked for blockers before anything stops, so that
    /// no guest is stopped in vain. They are asked again when they stand still; a guest that has changed meanwhile goes
    /// on.
    ///
    /// @return as [#save]; the parts stand still until [#resume] or [#close]
    /// @throws BlockedException if a part cannot be saved; then no part stands still
    /// @throws StuckException if a part does not stop in time; then no part stands still
    public Map<String, PartState> quiesceAndSave() throws InterruptedException, BlockedException {
        List<Parts> alone = List.of(this);
        requireNoBlockers(alone, SaveScope.ALONE);
        return quiesceAndSave(alone, SaveScope.ALONE).getFirst();
    }

    /// Asks the parts of several guests for blockers, before anything stops.
    ///
    /// @throws BlockedException if a part cannot be saved
    public static void requireNoBlockers(List<Parts> guests, SaveScope scope)
            throws BlockedException {
        for (Parts guest : guests) {
            guest.requireNoBlockers(scope);
        }
    }

    /// Stops every part of several guests, and then asks each for its state, as the method for one guest does. All
    /// stand still before the first is asked: until then one may change what another one shares with it.
    /// [#requireNoBlockers] comes before.
    ///
    /// @return the states of each guest, in their order
    /// @throws BlockedException if a part cannot be saved; then no part stands still
    /// @throws StuckException if a part does not stop in time; then no part stands still
    public static List<Map<String, PartState>> quiesceAndSave(List<Parts> guests, SaveScope scope)
            throws InterruptedException, BlockedException {
        List<Parts> quiet = new ArrayList<>();
        boolean done = false;
        try {
            List<Map<String, PartState>> states = new ArrayList<>();
            for (Parts guest : guests) {
                guest.quiesce();
                quiet.add(guest);
            }
            for (Parts guest : guests) {
                states.add(guest.save(scope));
            }
            done = true;
            return states;
        } finally {
            if (!done) {
                resume(quiet);
            }
        }
    }

    /// Lets every part of several guests go on, even if one fails. Throws the first failure.
    public static void resume(List<Parts> guests) {
        Teardown steps = new Teardown();
        guests.forEach(guest -> steps.add(guest::resume));
        steps.close();
    }

    /// The reasons for which the guest cannot be saved now, from the bottom part to the top; empty if there is none.
    /// Each has the part's name. The parts may run.
    public List<String> blockers() {
        return blockers(SaveScope.ALONE);
    }

    /// The reasons for which the guest cannot be saved now in this scope.
    public List<String> blockers(SaveScope scope) {
        List<String> reasons = new ArrayList<>();
        for (Part part : topDown().reversed()) {
            part.blocker(scope).ifPresent(reason -> reasons.add(part.name() + ": " + reason));
        }
        return reasons;
    }

    private void requireNoBlockers(SaveScope scope) throws BlockedException {
        List<String> blockers = blockers(scope);
        if (!blockers.isEmpty()) {
            throw new BlockedException(blockers);
        }
    }

    /// Ends the parts, after `failure` left something half made. Their exceptions are suppressed in it.
    void closeAfter(Throwable failure) {
        ends.add(vcpus::close);
        ends.closeAfter(failure);
    }

    /// Ends every part, once, even if others fail. Throws the first failure.
    @Override
    public void close() {
        quiet.clear();
        ends.add(vcpus::close);
        ends.close();
    }
}
