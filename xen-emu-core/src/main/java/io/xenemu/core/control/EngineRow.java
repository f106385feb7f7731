package io.xenemu.core.control;

import io.xenemu.core.backend.engine.Engine;
import io.xenemu.core.json.Json;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/// An engine as `engines` shows it.
///
/// @param name such as `block:0`
/// @param cpus that its thread may run on
/// @param queues that it serves
/// @param busyMillis the time that it has worked
/// @param use its part of the time of the last look, in percent
record EngineRow(String name, String cpus, int queues, long busyMillis, double use) {
    private static final String HEADER = "Engine       CPUs         Queues   Time(s)   Use(%)";

    private static final double MILLIS = 1e3;
    private static final long NANOS_PER_MILLI = 1_000_000;
    private static final double PERCENT = 100;

    /// @param before the time that it had worked when the look began, in nanoseconds
    /// @param elapsed the time of the look, in nanoseconds
    static EngineRow of(Engine engine, long before, long elapsed) {
        long busy = engine.busyNanos();
        return new EngineRow(
                engine.id().toString(),
                engine.spec().cpus().toString(),
                engine.queues(),
                busy / NANOS_PER_MILLI,
                Math.clamp(PERCENT * (busy - before) / elapsed, 0, PERCENT));
    }

    /// The header and all rows.
    static List<String> table(List<EngineRow> rows) {
        return Stream.concat(Stream.of(HEADER), rows.stream().map(EngineRow::line)).toList();
    }

    private String line() {
        return String.format(
                Locale.ROOT,
                "%-12s %-12s %6d %9.1f %8.1f",
                name,
                cpus,
                queues,
                busyMillis / MILLIS,
                use);
    }

    /// The row for programs.
    Json.Obj json() {
        return Json.EMPTY
                .with("engine", name)
                .with("cpus", cpus)
                .with("queues", queues)
                .with("busy_ms", busyMillis)
                .with("use_percent", Math.round(use));
    }
}
