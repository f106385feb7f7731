package io.xenemu.core.control;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.evtchn.Virq;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.memory.GuestMemory;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;

/// Rows of a debug key about a domain as a whole. Nothing here waits for a vCPU.
final class DomainDebug {
    /// The most rows of one key about one domain: a guest may have 131,071 event channels.
    static final int MAX_ROWS = 4096;

    private static final long PAGES_OF_MIB = (1 << 20) / GuestMemory.PAGE_SIZE;
    private static final double NANOS = 1e9;

    private DomainDebug() {}

    /// Raises VIRQ_DEBUG at each vCPU: Linux then prints its event channels.
    static void notifyGuest(Domain domain, DebugRows rows) {
        int notified = 0;
        for (Vcpu vcpu : domain.vcpus()) {
            notified += domain.eventChannels().raiseVcpu(Virq.DEBUG, vcpu.id()) ? 1 : 0;
        }
        rows.add(
                "%s: %s, %d MiB, %d vCPUs, of which %d have bound VIRQ_DEBUG",
                domain,
                state(domain),
                domain.config().memoryBytes() >> 20,
                domain.vcpus().size(),
                notified);
    }

    private static String state(Domain domain) {
        ShutdownLatch.Outcome end = domain.shutdownLatch().get();
        if (end != null) {
            return "stopped (" + end.reason().name().toLowerCase(Locale.ROOT) + ")";
        }
        if (domain.suspension().isSuspended()) {
            return "suspended";
        }
        return domain.isPaused() ? "paused" : "runs";
    }

    static void eventChannels(Domain domain, DebugRows rows) {
        EventChannels channels = domain.eventChannels();
        EventChannelsState state = channels.save();
        rows.add(
                "%s: %d event channels, %s ABI",
                domain, state.ports().size(), state.fifo() == null ? "2-level" : "FIFO");
        addSome(state.ports(), port -> rows.add(row(domain, channels, port)), rows);
    }

    private static <T> void addSome(List<T> all, Consumer<T> add, DebugRows rows) {
        all.stream().limit(MAX_ROWS).takeWhile(_ -> !rows.isFull()).forEach(add);
    }

    private static String row(Domain domain, EventChannels channels, EventChannelsState.Port port) {
        return domain.id()
                + " port "
                + port.number()
                + ": vcpu "
                + port.status().vcpu().value()
                + ", "
                + describe(port.status())
                + (isPending(channels, port.number()) ? ", pending" : "");
    }

    private static String describe(EvtchnStatus status) {
        return switch (status) {
            case EvtchnStatus.Closed _ -> "closed";
            case EvtchnStatus.Unbound(_, var remote) -> "unbound, for " + remote;
            case EvtchnStatus.Interdomain(_, var remote, var port) ->
                    "connected to port " + port.value() + " of " + remote;
            case EvtchnStatus.PirqBound(_, var pirq) -> "PIRQ " + pirq.value();
            case EvtchnStatus.VirqBound(_, var virq) -> "VIRQ " + virq.number();
            case EvtchnStatus.Ipi _ -> "IPI";
        };
    }

    /// Whether an event of a port waits for the guest.
    static boolean isPending(EventChannels channels, int port) {
        try {
            return channels.isPending(EvtchnPort.of(port));
        } catch (XenError e) {
            // The guest has changed its ABI or width meanwhile.
            return false;
        }
    }

    /// Its grants that others map, and its mappings of others' grants.
    static void grants(Domain domain, DebugRows rows) {
        GrantTableState state = domain.grantTable().save();
        rows.add(
                "%s: version %d, %d frames of at most %d, %d grants mapped, maps %d",
                domain,
                state.version(),
                state.frames(),
                state.limits().maxGrantFrames(),
                state.mappings().size(),
                state.tracked().size());
        addSome(
                state.mappings(),
                grant ->
                        rows.add(
                                "%s grant %d: frame %#x, mapped by %s, %d to read and %d to write",
                                domain.id(),
                                grant.ref().value(),
                                grant.gfn(),
                                grant.mapper(),
                                grant.readers(),
                                grant.writers()),
                rows);
        addSome(
                state.tracked(),
                mapping ->
                        rows.add(
                                "%s handle %d: grant %d of %s at frame %#x, to %s",
                                domain.id(),
                                mapping.handle(),
                                mapping.ref().value(),
                                mapping.granter(),
                                mapping.gfn(),
                                mapping.readOnly() ? "read" : "write"),
                rows);
    }

    /// Its account of pages, and the frames at which it has placed pages.
    static void memory(Domain domain, DebugRows rows) {
        long owned = domain.memory().ownedPages();
        long most = domain.memory().maxPages();
        rows.add(
                "%s: owns %d pages (%d MiB), at most %d (%d MiB), highest frame %#x",
                domain,
                owned,
                owned / PAGES_OF_MIB,
                most,
                most / PAGES_OF_MIB,
                domain.memory().highestGfn());
        Map<Long, ?> shown = domain.memory().shownPages();
        addSome(
                shown.keySet().stream().sorted().toList(),
                gfn -> rows.add("%s frame %#x: a page that it has placed", domain.id(), gfn),
                rows);
    }

    static void clock(Domain domain, DebugRows rows) {
        rows.add("%s: system time %.6f s", domain, domain.vm().clock() / NANOS);
    }

    static void watchdogs(Domain domain, DebugRows rows) {
        rows.add("%s: %d watchdogs taken", domain, domain.watchdogs().taken());
    }
}
