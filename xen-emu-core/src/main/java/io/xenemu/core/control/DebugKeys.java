package io.xenemu.core.control;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/// Xen's debug keys, as far as this service has something to show for them. The output goes to the operator that has
/// pressed them:
///
/// | key | effect, for every domain |
/// |---|---|
/// | `e` | tells its event channels |
/// | `h` | tells the keys |
/// | `q` | tells its size, and raises VIRQ_DEBUG at each of its vCPUs: Linux then prints its event channels |
public final class DebugKeys {
    private static final String KNOWN = "ehq";
    private static final List<String> HELP =
            List.of(
                    "e: tell event channels",
                    "h: tell the keys",
                    "q: tell domains, and raise VIRQ_DEBUG at their vCPUs");

    /// The most event channels that are shown of a domain: a guest may have 131,071.
    private static final int MAX_PORTS = 4096;

    /// The most rows of one request: those of four domains with [#MAX_PORTS] rows each, about a megabyte.
    static final int MAX_ROWS = 4 * MAX_PORTS;

    /// The most keys of one request, more than there are keys.
    private static final int MAX_KEYS = 8;

    private final OperatedDomains domains;

    DebugKeys(OperatedDomains domains) {
        this.domains = domains;
    }

    /// Presses keys one after another; none if one of them is unknown.
    ///
    /// @return their output, up to [#MAX_ROWS] lines
    List<String> press(String keys) throws Refused {
        if (keys.length() > MAX_KEYS) {
            throw new Refused("more than " + MAX_KEYS + " keys");
        }
        for (int i = 0; i < keys.length(); i++) {
            char key = keys.charAt(i);
            if (KNOWN.indexOf(key) < 0) {
                throw new Refused("no such key: " + key + " (" + String.join("; ", HELP) + ")");
            }
        }
        List<String> rows = new ArrayList<>();
        for (int i = 0; i < keys.length(); i++) {
            switch (keys.charAt(i)) {
                case 'e' -> forEach(domain -> tellEventChannels(domain, rows));
                case 'q' -> forEach(domain -> notifyGuest(domain, rows));
                default -> rows.addAll(HELP);
            }
        }
        return rows;
    }

    private static void add(String row, List<String> rows) {
        if (rows.size() < MAX_ROWS) {
            rows.add(row);
        } else if (rows.size() == MAX_ROWS) {
            rows.add("more than " + MAX_ROWS + " rows: the rest is not shown");
        }
    }

    /// Presses a key for every domain, also after it has failed for one.
    private void forEach(Consumer<Domain> key) {
        domains.forEach(domain -> {
            try {
                key.accept(domain);
            } catch (RuntimeException | Error e) {
                domain.failed("a debug key for " + domain.id(), e);
            }
        });
    }

    private static void notifyGuest(Domain domain, List<String> rows) {
        int notified = 0;
        for (Vcpu vcpu : domain.vcpus()) {
            notified += domain.eventChannels().raiseVcpu(Virq.DEBUG, vcpu.id()) ? 1 : 0;
        }
        add(
                domain
                        + ": "
                        + (domain.config().memoryBytes() >> 20)
                        + " MiB, "
                        + domain.vcpus().size()
                        + " vCPUs, of which "
                        + notified
                        + " have bound VIRQ_DEBUG",
                rows);
    }

    private static void tellEventChannels(Domain domain, List<String> rows) {
        EventChannels channels = domain.eventChannels();
        EventChannelsState state = channels.save();
        add(
                domain
                        + ": "
                        + state.ports().size()
                        + " event channels, "
                        + (state.fifo() == null ? "2-level" : "FIFO")
                        + " ABI",
                rows);
        state.ports().stream()
                .limit(MAX_PORTS)
                .takeWhile(_ -> rows.size() <= MAX_ROWS)
                .map(port -> row(domain, channels, port))
                .forEach(row -> add(row, rows));
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

    private static boolean isPending(EventChannels channels, int port) {
        try {
            return channels.isPending(EvtchnPort.of(port));
        } catch (XenError e) {
            // The guest has changed its ABI or width meanwhile.
            return false;
        }
    }
}
