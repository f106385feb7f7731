package io.xenemu.core.domain;

import io.xenemu.evtchn.EvtchnOptions;

/// The limits of a domain's event channels.
///
/// @param fifo whether the guest may switch to the FIFO ABI, which KVM does not accelerate; one that does not has all
///     of KVM's acceleration
/// @param maxEventChannels the highest port, xl's `max_event_channels`; [EvtchnOptions#UNLIMITED] for all of the
///     ABI's
/// @param hvmPirqs whether devices' interrupts may be routed over event channels, xl's `hvm_pirq`
public record EventChannelConfig(boolean fifo, int maxEventChannels, boolean hvmPirqs) {
    /// The 2-level ABI with the ports that xl allows; no PIRQs, as under xl since Xen 4.19.
    public static final EventChannelConfig DEFAULT =
            new EventChannelConfig(false, EvtchnOptions.XL_MAX_PORT, false);

    EvtchnOptions options(int vcpus) {
        return EvtchnOptions.of(vcpus).withFifo(fifo).withMaxPort(maxEventChannels);
    }
}
