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
/// @param uuid the guest's
/// @param memoryMib the memory that it owns now
/// @param maxMemoryMib the memory that it sees
/// @param vcpus how many it has
/// @param state the six letters
/// @param cpuMillis the time
/// @param began when this service built it, in seconds since 1970
/// @param stop Xen's number of the reason for which it has stopped; -1 if it has not, or for another one
public record DomainRow(
        String name,
        int id,
        String uuid,
        long memoryMib,
        long maxMemoryMib,
        int vcpus,
        String state,
        long cpuMillis,
        long began,
        int stop) {
    private static final String HEADER =
            "Name                                        ID   Mem VCPUs\tState\tTime(s)";
    private static final String MORE_HEADER =
            "   UUID                            Reason-Code\tSecurity Label";

    private static final int MIB_SHIFT = 20;
    private static final double MILLIS = 1e3;

    /// The row of a domain now.
    public static DomainRow of(Domain domain) {
        List<ThreadActivity> vcpus = domain.vcpus().stream().map(Vcpu::activity).toList();
        ShutdownLatch.Outcome end = domain.shutdownLatch().get();
        return new DomainRow(
                domain.config().name(),
                domain.id().value(),
                domain.config().uuid().toString(),
                (domain.memory().ownedPages() * GuestMemory.PAGE_SIZE) >> MIB_SHIFT,
                domain.config().maxMemoryBytes() >> MIB_SHIFT,
                vcpus.size(),
                state(domain, vcpus),
                vcpus.stream().map(ThreadActivity::cpuTime).mapToLong(Duration::toMillis).sum(),
                domain.began().getEpochSecond(),
                end == null ? -1 : end.reason().code());
    }

    /// The row that a service has sent. An earlier version does not send all of it.
    public static DomainRow of(Json.Obj row) {
        return new DomainRow(
                text(row, "name"),
                Math.toIntExact(number(row, "id")),
                text(row, "uuid"),
                number(row, "memory_mib"),
                number(row, "max_memory_mib"),
                Math.toIntExact(number(row, "vcpus")),
                text(row, "state"),
                number(row, "cpu_ms"),
                number(row, "began"),
                row.find("stop") instanceof Json.Int(long code) ? Math.toIntExact(code) : -1);
    }

    private static String text(Json.Obj row, String member) {
        return row.find(member) instanceof Json.Text(String text) ? text : "";
    }

    private static long number(Json.Obj row, String member) {
        return row.find(member) instanceof Json.Int(long number) ? number : 0;
    }

    /// The header and all rows.
    public static List<String> table(List<DomainRow> rows) {
        return Stream.concat(Stream.of(HEADER), rows.stream().map(DomainRow::line)).toList();
    }

    /// The header and all rows, with what `xl list -v` shows.
    public static List<String> longTable(List<DomainRow> rows) {
        return Stream.concat(
                        Stream.of(HEADER + MORE_HEADER), rows.stream().map(DomainRow::longLine))
                .toList();
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

    /// There are no security labels.
    private String longLine() {
        return String.format(
                Locale.ROOT, "%s %s %8s %16s", line(), uuid, stop < 0 ? "-" : stop, "-");
    }

    /// The row for programs.
    Json.Obj json() {
        Json.Obj row =
                Json.EMPTY
                        .with("name", name)
                        .with("id", id)
                        .with("uuid", uuid)
                        .with("memory_mib", memoryMib)
                        .with("max_memory_mib", maxMemoryMib)
                        .with("vcpus", vcpus)
                        .with("state", state)
                        .with("cpu_ms", cpuMillis)
                        .with("began", began);
        return stop < 0 ? row : row.with("stop", stop);
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
