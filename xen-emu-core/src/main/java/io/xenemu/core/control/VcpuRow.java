package io.xenemu.core.control;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ThreadActivity;
import io.xenemu.core.domain.Vcpu;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/// A vCPU as `xl vcpu-list` shows it. Its time is the CPU time of its thread.
///
/// @param name its domain's name
/// @param id its domain's id
/// @param vcpu its number
/// @param online whether it is up
/// @param activity of its thread
record VcpuRow(String name, int id, int vcpu, boolean online, ThreadActivity activity) {
    private static final String HEADER =
            "Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)";

    private static final double MILLIS = 1e3;

    /// The rows of a domain.
    static List<VcpuRow> of(Domain domain) {
        return domain.vcpus().stream().map(vcpu -> of(domain, vcpu)).toList();
    }

    private static VcpuRow of(Domain domain, Vcpu vcpu) {
        // Read before the vCPU is made to leave the guest, which is activity too.
        ThreadActivity activity = vcpu.activity();
        return new VcpuRow(
                domain.config().name(),
                domain.id().value(),
                vcpu.id().value(),
                vcpu.isUp(),
                activity);
    }

    /// The header and all rows.
    static List<String> table(List<VcpuRow> rows) {
        return Stream.concat(Stream.of(HEADER), rows.stream().map(VcpuRow::line)).toList();
    }

    /// The row as text. The column for the CPU is empty while the vCPU is down. The service does not pin vCPUs.
    private String line() {
        return String.format(
                Locale.ROOT,
                "%-32s %5d %5d %5s %3s%s %9.1f  all / all",
                name,
                id,
                vcpu,
                online ? Integer.toString(activity.cpu()) : "-",
                online && activity.active() ? "r" : "-",
                online ? (activity.active() ? "--" : "b-") : "-p",
                seconds());
    }

    private double seconds() {
        return activity.cpuTime().toMillis() / MILLIS;
    }

    /// The row for programs.
    Json.Obj json() {
        return Json.EMPTY
                .with("name", name)
                .with("id", id)
                .with("vcpu", vcpu)
                .with("online", new Json.Bool(online))
                .with("running", new Json.Bool(online && activity.active()))
                .with("cpu", activity.cpu())
                .with("cpu_ms", activity.cpuTime().toMillis());
    }
}
