package io.xenemu.core.toolstack;

import com.google.common.primitives.Ints;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// Parses the specification of a network interface: keys with values, separated by commas; a later value replaces an
/// earlier one.
public final class NicSpecParser {
    /// The least MTU of Ethernet (`ETH_MIN_MTU`).
    private static final int MIN_MTU = 68;

    private static final int MAX_MTU = 65535;

    private OptionalInt id = OptionalInt.empty();
    private @Nullable MacAddress mac;
    private int mtu = NicSpec.DEFAULT_MTU;
    private String backend = "";
    private String script = "vif-bridge";
    private String bridge = "xenbr0";
    private final SequencedMap<String, String> forScript = new LinkedHashMap<>();
    private Optional<NicRate> rate = Optional.empty();
    private boolean trusted = true;

    /// Parses one part ([DeviceSpec#parts]).
    void part(String part) throws Refused {
        int equals = part.indexOf('=');
        if (equals < 0) {
            throw new Refused("unknown parameter of a network interface: " + part);
        }
        String key = part.substring(0, equals);
        String value = part.substring(equals + 1);
        switch (key) {
            case "mac" -> mac = MacAddress.parse(value).orElseThrow(() -> wrong("mac", value));
            case "mtu" -> mtu = number(key, value, MIN_MTU, MAX_MTU);
            case "devid" -> id = OptionalInt.of(number(key, value, 0, Integer.MAX_VALUE - 1));
            case "backend" -> backend = value;
            case "script" -> script = value;
            case "bridge" -> bridge = value;
            case "vifname", "ip", "gatewaydev", "vlan" -> forScript.put(key, value);
            case "netdev" -> forScript.put("gatewaydev", value);
            case "trusted" -> trusted = number(key, value, 0, 1) == 1;
            case "type" -> {
                if (!value.equals("vif")) {
                    throw new Refused("type=" + value + ": not supported, only vif is");
                }
            }
            case "rate" -> rate = Optional.of(NicRate.parse(value));
            case "model", "accel" -> throw new Refused(key + ": not supported");
            default -> throw new Refused("unknown parameter of a network interface: " + key);
        }
    }

    private static int number(String key, String value, int min, int max) throws Refused {
        Integer number = Ints.tryParse(value);
        if (number == null || number < min || number > max) {
            throw wrong(key, value);
        }
        return number;
    }

    private static Refused wrong(String key, String value) {
        return new Refused("wrong " + key + ": " + value);
    }

    /// The parsed interface.
    NicSpec result(RandomGenerator random) {
        return new NicSpec(
                id,
                mac == null ? MacAddress.random(random) : mac,
                mtu,
                backend.isEmpty() ? DeviceSpec.SERVICE : backend,
                script,
                bridge,
                forScript,
                rate,
                trusted);
    }
}
