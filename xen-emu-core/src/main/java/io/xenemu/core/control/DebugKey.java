package io.xenemu.core.control;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The debug keys of Xen for which this service has something to show. The letters are Xen's.
///
/// Source: Xen, `keyhandler_register` in xen/common/keyhandler.c and its callers.
enum DebugKey {
    ALL('*', "press all keys but h"),
    TIMERS('a', "show timers"),
    REGISTERS('d', "show registers"),
    EVENT_CHANNELS('e', "show event channels"),
    GRANTS('g', "show grants that are mapped"),
    HELP('h', "show the keys"),
    MEMORY('m', "show memory"),
    DOMAINS('q', "show domains, and raise VIRQ_DEBUG at their vCPUs"),
    THREADS('r', "show the threads and runstates of vCPUs"),
    CLOCKS('t', "show the domains' system times"),
    PROCESSORS('v', "show control registers, segments and tables");

    private final char letter;
    private final String help;

    DebugKey(char letter, String help) {
        this.letter = letter;
        this.help = help;
    }

    /// The key of a letter; null if there is none.
    static @Nullable DebugKey of(char letter) {
        for (DebugKey key : values()) {
            if (key.letter == letter) {
                return key;
            }
        }
        return null;
    }

    /// A row for each key.
    static List<String> helpRows() {
        return Arrays.stream(values()).map(key -> key.letter + ": " + key.help).toList();
    }
}
