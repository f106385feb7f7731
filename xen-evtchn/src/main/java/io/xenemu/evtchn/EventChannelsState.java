package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A domain's event channels as plain values. State in guest memory (pending and mask bits, event words, control
/// blocks) is saved with that memory. The kernel's table is rebuilt from this state, and the meters start again. The
/// domain's limits ([EvtchnOptions]) are part of its configuration.
///
/// @param domId the domain
/// @param vcpus the domain's number of vCPUs
/// @param validPorts the size of the port table
/// @param ports every port in use, in ascending order
/// @param pirqs the PIRQs that are not free
/// @param fifo the FIFO ABI's part; null in the 2-level ABI
public record EventChannelsState(
        DomId domId,
        int vcpus,
        int validPorts,
        List<Port> ports,
        PirqsState pirqs,
        @Nullable FifoState fifo) {
    public EventChannelsState {
        ports = List.copyOf(ports);
    }

    /// One port in use.
    ///
    /// @param number the port's number
    /// @param status what the port is bound to, and the vCPU that it notifies
    public record Port(int number, EvtchnStatus status) {}
}
