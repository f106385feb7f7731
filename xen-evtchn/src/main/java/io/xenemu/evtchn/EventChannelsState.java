package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import java.util.List;

/// A domain's event channels as plain values. Pending and mask bits are guest memory and travel with it; the kernel's
/// table follows from this one; the meters start again.
///
/// @param domId whose they are
/// @param vcpus the domain's number of vCPUs
/// @param validPorts how far the port table had grown
/// @param ports every port in use, in ascending order
public record EventChannelsState(DomId domId, int vcpus, int validPorts, List<Port> ports) {
    public EventChannelsState {
        ports = List.copyOf(ports);
    }

    /// One port in use.
    ///
    /// @param number the port
    /// @param status what it is bound to, and its vCPU
    public record Port(int number, EvtchnStatus status) {}
}
