package io.xenemu.core.toolstack;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.random.RandomGenerator;

/// A network interface.
///
/// @param id its number, if one was given
/// @param mac its address in the guest
/// @param mtu bytes of a packet
/// @param backend name or id of the back end's domain
/// @param script the hotplug script that the back end's domain runs; empty with passt
/// @param bridge the bridge to which that script may add it; empty with passt
/// @param forScript more nodes for that script
/// @param rate the most that the guest may send, if there is a limit
/// @param trusted whether the guest may trust the back end
/// @param passt the host's end if that is no tap
public record NicSpec(
        OptionalInt id,
        MacAddress mac,
        int mtu,
        String backend,
        String script,
        String bridge,
        SequencedMap<String, String> forScript,
        Optional<NicRate> rate,
        boolean trusted,
        Optional<PasstSpec> passt)
        implements DeviceSpec {
    /// The MTU of an interface for which none was given.
    public static final int DEFAULT_MTU = 1500;

    /// Parses a specification as xl does (xl-network-configuration(5)); each word may be a part of it.
    ///
    /// @param random makes the address if none is given
    /// @throws Refused if it is malformed, or the interface is not supported
    public static NicSpec parse(List<String> words, RandomGenerator random) throws Refused {
        NicSpecParser parser = new NicSpecParser();
        for (String part : DeviceSpec.parts(words)) {
            parser.part(part);
        }
        return parser.result(random);
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.VIF;
    }

    @Override
    public NicSpec numbered(int id) {
        return new NicSpec(
                OptionalInt.of(id),
                mac,
                mtu,
                backend,
                script,
                bridge,
                forScript,
                rate,
                trusted,
                passt);
    }

    /// The same interface with another address.
    NicSpec withMac(MacAddress other) {
        return new NicSpec(
                id, other, mtu, backend, script, bridge, forScript, rate, trusted, passt);
    }

    /// The path of the script. One without a folder is in Xen's folder.
    public String scriptPath() {
        return DeviceContents.script(script);
    }

    @Override
    public DeviceContents contents(PvDevice device) {
        String handle = Integer.toString(device.id());
        SequencedMap<String, String> back = DeviceContents.back(device);
        if (passt.isEmpty()) {
            back.put("script", scriptPath());
        } else {
            back.put("backendtype", NicSpecParser.PASST);
        }
        back.put("mac", mac.toString());
        back.putAll(forScript);
        if (mtu != DEFAULT_MTU) {
            back.put("mtu", Integer.toString(mtu));
        }
        rate.ifPresent(limit -> back.put("rate", limit.node()));
        if (passt.isEmpty()) {
            back.put("bridge", bridge);
        }
        back.put("handle", handle);
        back.put("type", "vif");
        // Linux's back end waits until the script writes this node.
        back.put("hotplug-status", "");
        SequencedMap<String, String> front = DeviceContents.front(device);
        front.put("handle", handle);
        front.put("mac", mac.toString());
        front.put("trusted", DeviceContents.flag(trusted));
        return new DeviceContents(back, front, Map.of("mtu", Integer.toString(mtu)));
    }
}
