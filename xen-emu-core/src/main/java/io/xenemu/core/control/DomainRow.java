package io.xenemu.core.control;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.ThreadActivity;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.json.Json;
import io.xenemu.kvm.memory.GuestMemory;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/// A domain as `xl list` shows it. The state has a letter for each of: running, blocked, paused, shut down, crashed,
/// dying. The time is the CPU time of all vCPUs, in seconds. Both come from the kernel's data on the vCPUs' threads, so
/// no vCPU has to leave the guest.
///
/// @param name the domain's
/// @param id the domain's
/// @param memoryMib the memory that it owns now
/// @param vcpus how many it has
/// @param state the six letters
/// @param cpuMillis the time
public record DomainRow(
        String name, int id, long memoryMib, int vcpus, String state, long cpuMillis) {
    private static final String HEADER =
            "Name                                        ID   Mem VCPUs\tState\tTime(s)";

    private static final int MIB_SHIFT = 20;
    private static final double MILLIS = 1e3;

    /// The row of a domain now.
    static DomainRow of(Domain domain) {
        List<ThreadActivity> vcpus = domain.vcpus().stream().map(Vcpu::activity).toList();
        return new DomainRow(
                domain.config().name(),
                domain.id().value(),
                (domain.memory().ownedPages() * GuestMemory.PAGE_SIZE) >> MIB_SHIFT,
                vcpus.size(),
                state(domain, vcpus),
                vcpus.stream().map(ThreadActivity::cpuTime).mapToLong(Duration::toMillis).sum());
    }

    /// The header and all rows.
    static List<String> table(List<DomainRow> rows) {
        return Stream.concat(Stream.of(HEADER), rows.stream().map(DomainRow::line)).toList();
    }

    private String line() {
        return String.format(
                Locale.ROOT,
                "%-40s %5d %5d %5d     %s  %8.1f",
                name,
                id,
                memoryMib,
                vcpus,
                state,
                cpuMillis / MILLIS);
    }

    /// The row for programs.
    Json.Obj json() {
        return Json.EMPTY
                .with("name", name)
                .with("id", id)
                .with("memory_mib", memoryMib)
                .with("vcpus", vcpus)
                .with("state", state)
                .with("cpu_ms", cpuMillis);
    }

    private static String state(Domain domain, List<ThreadActivity> vcpus) {
        ShutdownLatch.Outcome end = domain.shutdownLatch().get();
        boolean dying = end != null && end.reason() == ShutdownReason.DESTROYED;
        boolean crashed = end != null && end.reason() == ShutdownReason.CRASH;
        boolean paused = end == null && domain.isPaused();
        boolean suspended = end == null && domain.suspension().isHeld();
        boolean active = vcpus.stream().anyMatch(ThreadActivity::active);
        boolean mayRun = end == null && !paused && !suspended;
        return flag(mayRun && active, 'r')
                + flag(mayRun && !active, 'b')
                + flag(paused, 'p')
                + flag(suspended || (end != null && !dying), 's')
                + flag(crashed, 'c')
                + flag(dying, 'd');
    }

    private static String flag(boolean set, char letter) {
        return set ? Character.toString(letter) : "-";
    }
}
