package io.xenemu.core.toolstack;

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
    /// The path of a hotplug script. A script without a folder is in Xen's folder.
    static String script(String name) {
        return name.startsWith("/") ? name : "/etc/xen/scripts/" + name;
    }

    static String flag(boolean set) {
        return set ? "1" : "0";
    }
}
