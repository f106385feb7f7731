package io.xenemu.it.bench;

import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Collectors;

/// The report: medians in multiples of a floor exit, and ours against each target.
final class ResultTable {

    private ResultTable() {}

    /// Formats it; a value that was not measured is "-".
    static String of(Samples floor, Samples ours, Samples peer) {
        Function<Target, String> row =
                target -> {
                    double ratio = ours.median(target.benchmark()) / target.reference(floor, peer);
                    double exit = floor.median("noarg");
                    return String.format(
                            Locale.ROOT,
                            "%-34s %8s %8s   %-16s  limit %.2f  %s",
                            target.description(),
                            number(ours.median(target.benchmark()) / exit),
                            number(peer.median(target.benchmark()) / exit),
                            number(ratio) + " x " + referenceName(target),
                            target.limit(),
                            verdict(ratio, target.limit()));
                };
        return String.format(
                        Locale.ROOT,
                        "floor exit: %.0f ticks%n%-34s %8s %8s   %s%n",
                        floor.median("noarg"),
                        "in floor exits",
                        "ours",
                        "peer",
                        "ours against the target")
                + Target.ALL.stream().map(row).collect(Collectors.joining("\n", "", "\n"));
    }

    private static String referenceName(Target target) {
        return !target.referenceIsFloor()
                ? "peer"
                : target.multiple() == 1 ? "floor" : target.multiple() + " floors";
    }

    private static String verdict(double ratio, double limit) {
        return Double.isNaN(ratio) ? "not measured" : ratio <= limit ? "met" : "MISSED";
    }

    private static String number(double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.2f", value);
    }
}
