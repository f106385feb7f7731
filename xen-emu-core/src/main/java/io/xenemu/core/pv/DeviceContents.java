package io.xenemu.core.pv;

import java.util.Map;
import java.util.SequencedMap;

/// The nodes that a device begins with, by name and in order.
///
/// @param back of the back end's directory
/// @param front of the frontend's directory
/// @param frontReadable of the frontend's directory, but the back end's own
record DeviceContents(
        SequencedMap<String, String> back,
        SequencedMap<String, String> front,
        Map<String, String> frontReadable) {
    /// Hotplug scripts that are named without a folder are looked for in Xen's.
    static String script(String name) {
        return name.startsWith("/") ? name : "/etc/xen/scripts/" + name;
    }

    static String flag(boolean set) {
        return set ? "1" : "0";
    }
}
