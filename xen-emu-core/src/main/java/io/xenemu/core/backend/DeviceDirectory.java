package io.xenemu.core.backend;

import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.XenbusState;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.client.StoreView;
import io.xenemu.xenstore.client.XenStoreClient;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/// The nodes of one device as its back end uses them. The paths come from the toolstack's record of the device, never
/// from a node that a guest can write. A directory that the toolstack has removed is not made again, and one that it
/// has made again is another device's.
///
/// All but [#watch] is for the thread that takes the device's step.
final class DeviceDirectory {
    private final XenStoreClient client;
    private final String front;
    private final String back;
    private final String error;
    private final Queue<XenStoreClient.Registration> watches = new ConcurrentLinkedQueue<>();

    /// Whether it has published a state. None is Initialising: only the toolstack writes that, in a new directory.
    private boolean isTaken;

    DeviceDirectory(XenStoreClient client, PvDevice device) {
        this.client = client;
        front = device.frontendPath();
        back = device.backendPath();
        error = device.errorPath();
    }

    /// The conditions of both ends.
    ///
    /// @param front empty if the front end has no state
    /// @param closing whether the toolstack has asked for Closing
    record Seen(Optional<XenbusState> front, Online online, boolean closing) {}

    /// Reads them.
    Seen look() throws XenError {
        return new Seen(
                client.find(front + "/state").map(XenbusState::parse),
                online(client),
                hasState(client, XenbusState.CLOSING));
    }

    private Online online(StoreView view) throws XenError {
        if (isTaken && hasState(view, XenbusState.INITIALISING)) {
            return Online.ABSENT;
        }
        return view.find(back + "/online")
                .map(value -> value.equals("1") ? Online.YES : Online.NO)
                .orElse(Online.ABSENT);
    }

    private boolean hasState(StoreView view, XenbusState state) throws XenError {
        return view.find(back + "/state").equals(Optional.of(state.code()));
    }

    /// Everything that the front end has published.
    ///
    /// @throws XenError ENOENT if it is gone; E2BIG for too many nodes; EAGAIN if it changes all the time
    FrontendNodes frontendNodes() throws XenError {
        return client.transaction(view -> FrontendNodes.read(view, front));
    }

    /// Takes over the directory of a restored device, which has published its state before.
    void takeOver() {
        isTaken = true;
    }

    /// Publishes nodes and a state of the back end, in one transaction.
    void publish(Map<String, String> nodes, XenbusState state) throws XenError {
        client.transaction(view -> {
            if (online(view) != Online.ABSENT) {
                write(view, nodes);
                view.write(back + "/state", state.code());
            }
            return view;
        });
        isTaken = true;
    }

    /// Publishes nodes of the back end.
    void publish(Map<String, String> nodes) throws XenError {
        client.transaction(view -> {
            if (online(view) != Online.ABSENT) {
                write(view, nodes);
            }
            return view;
        });
    }

    private void write(StoreView view, Map<String, String> nodes) throws XenError {
        for (Map.Entry<String, String> node : nodes.entrySet()) {
            view.write(back + "/" + node.getKey(), node.getValue());
        }
    }

    /// Writes the error node.
    void error(String text) throws XenError {
        client.transaction(view -> {
            if (online(view) != Online.ABSENT) {
                view.write(error, text);
            }
            return view;
        });
    }

    /// Removes the error node: the device works.
    void noError() throws XenError {
        client.transaction(view -> {
            if (view.exists(error)) {
                view.rm(error);
            }
            return view;
        });
    }

    /// Calls `changed` whenever the conditions of one end may have changed, and at the start.
    void watch(Runnable changed) {
        for (String path : new String[] {front + "/state", back + "/state", back + "/online"}) {
            watches.add(client.watch(path, _ -> changed.run()));
        }
    }

    /// Ends the watches.
    void unwatch() {
        watches.forEach(XenStoreClient.Registration::close);
        watches.clear();
    }
}
