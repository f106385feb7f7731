package io.xenemu.core.service;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.XenError;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Xen's debug keys, as far as they are about what this service has:
///
/// | key | what it does for every domain |
/// |---|---|
/// | `e` | logs its event channels |
/// | `q` | logs what it is, and raises VIRQ_DEBUG at each of its vCPUs: Linux then prints the state of its own event channels |
final class DebugKeys {
    private static final Logger log = LoggerFactory.getLogger(DebugKeys.class);
    private static final String KNOWN = "eq";

    private final OperatorCommands.Domains domains;

    DebugKeys(OperatorCommands.Domains domains) {
        this.domains = domains;
    }

    /// Presses keys one after another; none if one of them is unknown.
    void press(String keys) throws OperatorCommands.Refused {
        for (int i = 0; i < keys.length(); i++) {
            char key = keys.charAt(i);
            if (KNOWN.indexOf(key) < 0) {
                throw new OperatorCommands.Refused(
                        "no such key: "
                                + key
                                + " (e: log event channels, q: log domains and raise VIRQ_DEBUG)");
            }
        }
        for (int i = 0; i < keys.length(); i++) {
            boolean ports = keys.charAt(i) == 'e';
            domains.forEach(domain -> press(domain, ports));
        }
    }

    /// What fails for one domain is its own failure: the key is pressed for the others too.
    private static void press(Domain domain, boolean ports) {
        try {
            if (ports) {
                logEventChannels(domain);
            } else {
                notifyGuest(domain);
            }
        } catch (RuntimeException | Error e) {
            domain.failed("a debug key for " + domain.id(), e);
        }
    }

    private static void notifyGuest(Domain domain) {
        int notified = 0;
        for (Vcpu vcpu : domain.vcpus()) {
            notified += domain.eventChannels().raiseVcpu(Virq.DEBUG, vcpu.id()) ? 1 : 0;
        }
        log.info(
                "{}: {} MiB, {} vCPUs, of which {} have bound VIRQ_DEBUG",
                domain,
                domain.config().memoryBytes() >> 20,
                domain.vcpus().size(),
                notified);
    }

    private static void logEventChannels(Domain domain) {
        EventChannels channels = domain.eventChannels();
        EventChannelsState state = channels.save();
        log.info(
                "{}: {} event channels, {} ABI",
                domain,
                state.ports().size(),
                state.fifo() == null ? "2-level" : "FIFO");
        for (EventChannelsState.Port port : state.ports()) {
            log.info(
                    "{} port {}: vcpu {}, {}{}",
                    domain.id(),
                    port.number(),
                    port.status().vcpu().value(),
                    describe(port.status()),
                    isPending(channels, port.number()) ? ", pending" : "");
        }
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
            // The guest has changed to another ABI, or width, since.
            return false;
        }
    }
}
