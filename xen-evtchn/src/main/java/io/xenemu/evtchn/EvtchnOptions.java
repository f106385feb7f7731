package io.xenemu.evtchn;

/// Limits of a domain's event channels, fixed when the domain is created.
///
/// @param vcpus its number of vCPUs, 1 to [EventChannels#MAX_VCPUS]
/// @param maxPort the highest port that can be bound, as `max_evtchn_port` of Xen's `xen_domctl_createdomain`
///     (earlier `XEN_DOMCTL_set_max_evtchn`): ports above are `ENOSPC`, whatever the ABI allows. `xl` gives every
///     guest 1023 unless its configuration sets `max_event_channels`
/// @param fifo whether the guest may switch to the FIFO ABI; if not, it gets `ENOSYS`, as from a Xen without FIFO,
///     and keeps the 2-level ABI, which the kernel serves
/// @param pirqs the number of PIRQs, 24 to [Pirqs#MAX]
public record EvtchnOptions(int vcpus, int maxPort, boolean fifo, int pirqs) {
    /// No limit except the ABI's.
    public static final int UNLIMITED = Integer.MAX_VALUE;

    /// `xl`'s default of `max_event_channels`.
    public static final int XL_MAX_PORT = 1023;

    public EvtchnOptions {
        if (vcpus < 1 || vcpus > EventChannels.MAX_VCPUS) {
            throw new IllegalArgumentException("a domain has 1 to 4096 vCPUs: " + vcpus);
        }
        if (maxPort < 1) {
            throw new IllegalArgumentException("the highest port is at least 1: " + maxPort);
        }
        if (pirqs < Pirqs.GSIS || pirqs > Pirqs.MAX) {
            throw new IllegalArgumentException("a domain has 24 to 4096 PIRQs: " + pirqs);
        }
    }

    /// Only the 2-level ABI, with all of its ports and 256 PIRQs (as many as the destination field of a 32-bit MSI
    /// address can name).
    public static EvtchnOptions of(int vcpus) {
        return new EvtchnOptions(vcpus, UNLIMITED, false, Pirqs.DEFAULT);
    }

    /// The same options, with FIFO allowed or not.
    public EvtchnOptions withFifo(boolean allowed) {
        return new EvtchnOptions(vcpus, maxPort, allowed, pirqs);
    }

    /// The same options with another highest port.
    public EvtchnOptions withMaxPort(int port) {
        return new EvtchnOptions(vcpus, port, fifo, pirqs);
    }

    /// The most ports, port 0 included, in any ABI that the guest may choose.
    int capacity() {
        int abi = fifo ? Fifo.PORTS : TwoLevel.MAX_PORTS;
        return maxPort < abi ? maxPort + 1 : abi;
    }

    /// The number of ports, port 0 included, in an ABI of `abi` ports.
    int limit(int abi) {
        return maxPort < abi ? maxPort + 1 : abi;
    }
}
