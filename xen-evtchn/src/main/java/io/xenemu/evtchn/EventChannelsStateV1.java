package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// The state in version 1, before PIRQs and the FIFO ABI.
///
/// @param domId as in [EventChannelsState]; likewise the others
record EventChannelsStateV1(
        DomId domId, int vcpus, int validPorts, List<EventChannelsState.Port> ports) {
    EventChannelsState upgrade() {
        return new EventChannelsState(domId, vcpus, validPorts, ports, PirqsState.EMPTY, null);
    }
}
