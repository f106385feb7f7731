package io.xenemu.core.toolstack;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;

/// The initial nodes of a device, by name and in order.
///
/// @param back nodes of the back end's directory
/// @param front nodes of the front end's directory
/// @param frontReadable nodes of the front end's directory that the back end owns
public record DeviceContents(
        SequencedMap<String, String> back,
        SequencedMap<String, String> front,
        Map<String, String> frontReadable) {
    /// The first nodes of a back end's directory.
    static SequencedMap<String, String> back(PvDevice device) {
        SequencedMap<String, String> back = new LinkedHashMap<>();
        back.put("frontend-id", Integer.toString(device.frontend().value()));
        back.put("online", "1");
        back.put("state", XenbusState.INITIALISING.code());
        return back;
    }

    /// The first nodes of a front end's directory.
    static SequencedMap<String, String> front(PvDevice device) {
        SequencedMap<String, String> front = new LinkedHashMap<>();
        front.put("backend-id", Integer.toString(device.backend().value()));
        front.put("state", XenbusState.INITIALISING.code());
        return front;
    }

    /// The path of a hotplug script. A script without a folder is in Xen's folder.
    static String script(String name) {
        return name.startsWith("/") ? name : "/etc/xen/scripts/" + name;
    }

    static String flag(boolean set) {
        return set ? "1" : "0";
    }
}
