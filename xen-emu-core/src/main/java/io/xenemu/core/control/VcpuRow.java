package io.xenemu.core.control;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ThreadActivity;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.json.Json;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/// A vCPU as `xl vcpu-list` shows it. Its time is the CPU time of its thread.
///
/// @param name its domain's name
/// @param id its domain's id
/// @param vcpu its number
/// @param state whether it is up
/// @param activity of its thread
/// @param affinity the CPUs that its thread may run on
record VcpuRow(
        String name, int id, int vcpu, State state, ThreadActivity activity, String affinity) {
    /// Whether a vCPU is up, as far as it has said so.
    enum State {
        UP,
        DOWN,
        /// Its thread is busy in the host.
        UNKNOWN
    }

    private static final String HEADER =
            "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)";

    private static final double MILLIS = 1e3;

    /// A vCPU that was asked.
    private record Asked(
            Vcpu vcpu, ThreadActivity activity, CompletableFuture<Optional<Boolean>> isDown) {
        static Asked of(Vcpu vcpu) {
            // Read before the vCPU is made to leave the guest, which is activity too.
            ThreadActivity activity = vcpu.activity();
            return new Asked(vcpu, activity, vcpu.requestDown());
        }
    }

    /// The rows of some domains. Makes each vCPU leave the guest for a moment, and waits for all together.
    ///
    /// @param limit time for their answers
    static List<VcpuRow> of(List<Domain> domains, Duration limit) throws InterruptedException {
        long deadline = System.nanoTime() + limit.toNanos();
        Map<Domain, List<Asked>> all = new LinkedHashMap<>();
        for (Domain domain : domains) {
            all.put(domain, domain.vcpus().stream().map(Asked::of).toList());
        }
        List<VcpuRow> rows = new ArrayList<>();
        for (Map.Entry<Domain, List<Asked>> domain : all.entrySet()) {
            for (Asked asked : domain.getValue()) {
                rows.add(of(domain.getKey(), asked, deadline));
            }
        }
        return rows;
    }

    private static VcpuRow of(Domain domain, Asked asked, long deadline)
            throws InterruptedException {
        return new VcpuRow(
                domain.config().name(),
                domain.id().value(),
                asked.vcpu().id().value(),
                state(asked.isDown(), deadline),
                asked.activity(),
                asked.vcpu().affinity());
    }

    private static State state(CompletableFuture<Optional<Boolean>> isDown, long deadline)
            throws InterruptedException {
        try {
            long left = Math.max(0, deadline - System.nanoTime());
            return isDown.get(left, TimeUnit.NANOSECONDS).orElse(true) ? State.DOWN : State.UP;
        } catch (TimeoutException e) {
            return State.UNKNOWN;
        } catch (ExecutionException e) {
            throw new IllegalStateException("a vCPU gives no answer", e.getCause());
        }
    }

    /// The header and all rows.
    static List<String> table(List<VcpuRow> rows) {
        return Stream.concat(Stream.of(HEADER), rows.stream().map(VcpuRow::line)).toList();
    }

    /// The row as text. The column for the CPU is empty while the vCPU is down. Linux has no soft
    /// affinity.
    private String line() {
        return String.format(
                Locale.ROOT,
                "%-32s %5d %5d %5s %5s %9.1f  %s / all",
                name,
                id,
                vcpu,
                state == State.DOWN ? "-" : Integer.toString(activity.cpu()),
                letters(),
                seconds(),
                affinity);
    }

    private String letters() {
        return switch (state) {
            case UP -> activity.active() ? "r--" : "-b-";
            case DOWN -> "--p";
            case UNKNOWN -> "?--";
        };
    }

    private double seconds() {
        return activity.cpuTime().toMillis() / MILLIS;
    }

    /// The row for programs. Without an answer of the vCPU it does not say whether that is online.
    Json.Obj json() {
        Json.Obj row = Json.EMPTY.with("name", name).with("id", id).with("vcpu", vcpu);
        if (state != State.UNKNOWN) {
            boolean online = state == State.UP;
            row =
                    row.with("online", new Json.Bool(online))
                            .with("running", new Json.Bool(online && activity.active()));
        }
        return row.with("cpu", activity.cpu())
                .with("cpu_ms", activity.cpuTime().toMillis())
                .with("affinity", affinity);
    }
}
