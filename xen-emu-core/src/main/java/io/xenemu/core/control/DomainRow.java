package io.xenemu.core.control;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.ThreadActivity;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypervisor.OperatedDomains;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// A domain as `xl list` shows it. The state has a letter for each of: running, blocked, paused, shut down, crashed, dying.
/// The time is the CPU time of all vCPUs, in seconds. Both are what the kernel tells of the vCPUs' threads, so no vCPU is
/// made to leave the guest.
public final class DomainRow {
    private static final String HEADER =
            "Name                                        ID   Mem VCPUs\tState\tTime(s)";

    private static final int MIB_SHIFT = 20;
    private static final double MILLIS = 1e3;

    private DomainRow() {}

    /// The header and a row for each domain.
    static List<String> table(OperatedDomains domains) {
        List<String> rows = new ArrayList<>(List.of(HEADER));
        domains.forEach(domain -> rows.add(row(domain)));
        return rows;
    }

    /// The header and one row.
    static List<String> table(Domain domain) {
        return List.of(HEADER, row(domain));
    }

    private static String row(Domain domain) {
        List<ThreadActivity> vcpus = domain.vcpus().stream().map(Vcpu::activity).toList();
        double seconds =
                vcpus.stream().map(ThreadActivity::cpuTime).mapToLong(Duration::toMillis).sum()
                        / MILLIS;
        return String.format(
                Locale.ROOT,
                "%-40s %5d %5d %5d     %s  %8.1f",
                domain.config().name(),
                domain.id().value(),
                domain.config().memoryBytes() >> MIB_SHIFT,
                vcpus.size(),
                state(domain, vcpus),
                seconds);
    }

    private static String state(Domain domain, List<ThreadActivity> vcpus) {
        ShutdownLatch.Outcome end = domain.shutdownLatch().get();
        boolean dying = end != null && end.reason() == ShutdownReason.DESTROYED;
        boolean crashed = end != null && end.reason() == ShutdownReason.CRASH;
        boolean paused = end == null && domain.isPaused();
        boolean active = vcpus.stream().anyMatch(ThreadActivity::active);
        boolean running = end == null && !paused && active;
        return flag(running, 'r')
                + flag(end == null && !paused && !active, 'b')
                + flag(paused, 'p')
                + flag(end != null && !dying, 's')
                + flag(crashed, 'c')
                + flag(dying, 'd');
    }

    private static String flag(boolean set, char letter) {
        return set ? Character.toString(letter) : "-";
    }
}
