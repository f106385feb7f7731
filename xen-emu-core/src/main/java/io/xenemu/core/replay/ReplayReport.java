package io.xenemu.core.replay;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The outcome of a replay.
///
/// @param calls recorded calls that were read
/// @param compared those whose result was compared
/// @param partly calls of which the written bytes were not compared, by the reason
/// @param skipped calls that were not compared at all, by the reason
/// @param difference the first difference; null if there is none
public record ReplayReport(
        long calls,
        long compared,
        Map<String, Long> partly,
        Map<String, Long> skipped,
        @Nullable Difference difference) {
    /// A difference.
    ///
    /// @param line the number of the record, from 1 on: the line that `xen-emu trace --input` prints
    /// @param what differs
    /// @param recorded the call as recorded
    /// @param computed the call as replayed
    public record Difference(long line, String what, String recorded, String computed) {}

    public ReplayReport {
        partly = Map.copyOf(partly);
        skipped = Map.copyOf(skipped);
    }

    /// The report for an operator.
    public List<String> lines() {
        StringBuilder text = new StringBuilder();
        if (difference != null) {
            text.append(
                    "line %d: %s%n  recorded: %s%n  computed: %s%n"
                            .formatted(
                                    difference.line(),
                                    difference.what(),
                                    difference.recorded(),
                                    difference.computed()));
        }
        text.append("%d calls, %d compared".formatted(calls, compared));
        new TreeMap<>(partly)
                .forEach((reason, count) ->
                        text.append(
                                "%n%d of them by the result alone: %s".formatted(count, reason)));
        new TreeMap<>(skipped)
                .forEach((reason, count) ->
                        text.append("%n%d not compared: %s".formatted(count, reason)));
        return text.toString().lines().toList();
    }
}
