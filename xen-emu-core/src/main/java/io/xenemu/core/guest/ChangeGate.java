package io.xenemu.core.guest;

import com.google.common.collect.HashMultiset;
import com.google.common.collect.Multiset;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.toolstack.Refused;
import java.util.List;

/// The operators' commands that change something in a service. None is under way while the service is handed over: its
/// effect would be lost. Its monitor is a leaf.
public final class ChangeGate {
    @GuardedBy("this")
    private final Multiset<String> underWay = HashMultiset.create();

    @GuardedBy("this")
    private boolean closed;

    /// A gate that is open.
    public ChangeGate() {}

    /// A command begins.
    ///
    /// @param command its name
    /// @throws Refused if the service is being handed over
    public synchronized void enter(String command) throws Refused {
        if (closed) {
            throw new Refused(Refused.Kind.BUSY, "the service is being upgraded");
        }
        underWay.add(command);
    }

    /// A command has ended.
    public synchronized void leave(String command) {
        underWay.remove(command);
    }

    /// The commands that are under way.
    synchronized List<String> underWay() {
        return underWay.elementSet().stream().sorted().toList();
    }

    /// Lets no command begin until [#open].
    ///
    /// @throws Refused if one is under way, or it is closed already
    synchronized void close() throws Refused {
        if (closed) {
            throw new Refused(Refused.Kind.BUSY, "the service is being upgraded");
        }
        if (!underWay.isEmpty()) {
            throw new Refused(underWayReason(underWay()));
        }
        closed = true;
    }

    /// The reason for which commands that are under way keep a service from being handed over.
    static String underWayReason(List<String> commands) {
        return "commands are under way: " + String.join(", ", commands);
    }

    /// Lets commands begin again.
    synchronized void open() {
        closed = false;
    }
}
