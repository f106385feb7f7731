package io.xenemu.core.toolstack;

import com.google.common.primitives.Ints;
import java.util.LinkedHashMap;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SequencedMap;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// Parses the specification of a network interface: keys with values, separated by commas; a later value replaces an
/// earlier one. `backendtype` and the keys after it are not xl's.
public final class NicSpecParser {
    /// The least MTU of Ethernet (`ETH_MIN_MTU`).
    private static final int MIN_MTU = 68;

    private static final int MAX_MTU = 65535;

    /// The value of `backendtype` for an interface that has no tap.
    static final String PASST = "passt";

    private OptionalInt id = OptionalInt.empty();
    private @Nullable MacAddress mac;
    private int mtu = NicSpec.DEFAULT_MTU;
    private String backend = "";
    private @Nullable String script;
    private @Nullable String bridge;
    private final SequencedMap<String, String> forScript = new LinkedHashMap<>();
    private Optional<NicRate> rate = Optional.empty();
    private boolean trusted = true;
    private boolean isPasst;
    private String socket = "";
    private String tcpPorts = "";
    private String udpPorts = "";
    private boolean mapsGateway;

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
            case "backendtype" -> isPasst = isPasst(value);
            case "socket" -> socket = socket(value);
            case "tcp-ports" -> tcpPorts = PasstSpec.ports(key, value);
            case "udp-ports" -> udpPorts = PasstSpec.ports(key, value);
            case "map-gw" -> mapsGateway = number(key, value, 0, 1) == 1;
            case "model", "accel" -> throw new Refused(key + ": not supported");
            default -> throw new Refused("unknown parameter of a network interface: " + key);
        }
    }

    private static boolean isPasst(String value) throws Refused {
        return switch (value) {
            case PASST -> true;
            case "tap" -> false;
            default ->
                    throw new Refused(
                            "backendtype=" + value + ": not supported, only tap and passt are");
        };
    }

    /// The service has another working directory.
    private static String socket(String value) throws Refused {
        if (!value.startsWith("/")) {
            throw wrong("socket", value);
        }
        return value;
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
    NicSpec result(RandomGenerator random) throws Refused {
        String domain = backend.isEmpty() ? DeviceSpec.SERVICE : backend;
        return new NicSpec(
                id,
                mac == null ? MacAddress.random(random) : mac,
                mtu,
                domain,
                orDefault(script, "vif-bridge"),
                orDefault(bridge, "xenbr0"),
                forScript,
                rate,
                trusted,
                passt());
    }

    private String orDefault(@Nullable String given, String usual) {
        if (given != null) {
            return given;
        }
        return isPasst ? "" : usual;
    }

    /// Neither a tap nor passt takes the other's parameters without a word.
    private Optional<PasstSpec> passt() throws Refused {
        PasstSpec words = new PasstSpec(socket, tcpPorts, udpPorts, mapsGateway);
        boolean forProcess = !tcpPorts.isEmpty() || !udpPorts.isEmpty() || mapsGateway;
        if (!isPasst) {
            if (forProcess || !socket.isEmpty()) {
                throw new Refused("socket, tcp-ports, udp-ports and map-gw need backendtype=passt");
            }
            return Optional.empty();
        }
        if (script != null || bridge != null || !forScript.isEmpty()) {
            throw new Refused("backendtype=passt has no tap: no bridge, script and words for one");
        }
        if (!backend.isEmpty() && !DeviceSpec.isService(backend)) {
            throw new Refused("backendtype=passt: only the service has it, not backend=" + backend);
        }
        if (forProcess && !socket.isEmpty()) {
            throw new Refused(
                    "tcp-ports, udp-ports and map-gw are for a passt of the service: no socket");
        }
        return Optional.of(words);
    }
}
