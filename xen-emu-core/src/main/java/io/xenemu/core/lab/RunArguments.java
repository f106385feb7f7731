package io.xenemu.core.lab;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The arguments of `xen-emu run`, split into those for the lab and those for the host.
///
/// @param inner the arguments that the run in the lab gets unchanged
/// @param outer the host's options and their values: `--lab`, `--xenstore-socket`, `--metrics`
record RunArguments(List<String> inner, Map<String, String> outer) {
    static final String LAB = "--lab";
    static final String XENSTORE_SOCKET = "--xenstore-socket";
    static final String METRICS = "--metrics";

    private static final List<String> OUTER = List.of(LAB, XENSTORE_SOCKET, METRICS);

    /// Options whose value may look like an option of ours.
    private static final List<String> FREE_TEXT =
            List.of("--append", "--name", "--kernel", "--initrd");

    /// Splits arguments that the command line parser has accepted.
    static RunArguments parse(List<String> arguments) {
        List<String> inner = new ArrayList<>();
        Map<String, String> outer = new HashMap<>();
        for (int i = 0; i < arguments.size(); i++) {
            String argument = arguments.get(i);
            int equals = argument.indexOf('=');
            String name = equals < 0 ? argument : argument.substring(0, equals);
            boolean valueFollows = equals < 0 && i + 1 < arguments.size();
            if (OUTER.contains(name)) {
                outer.put(name, valueFollows ? arguments.get(++i) : argument.substring(equals + 1));
            } else {
                inner.add(argument);
                if (FREE_TEXT.contains(name) && valueFollows) {
                    inner.add(arguments.get(++i));
                }
            }
        }
        return new RunArguments(inner, outer);
    }

    Optional<String> outer(String name) {
        return Optional.ofNullable(outer.get(name));
    }
}
