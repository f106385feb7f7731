package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A domain's event channels as plain values. What lies in guest memory (pending and mask bits, event words, control blocks)
/// travels with it; the kernel's table follows from this one; the meters start again. What the domain is allowed
/// ([EvtchnOptions]) is configuration, and comes with that.
///
/// @param domId whose they are
/// @param vcpus the domain's number of vCPUs
/// @param validPorts how far the port table had grown
/// @param ports every port in use, in ascending order
/// @param pirqs the interrupts taken as events
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
    /// @param number the port
    /// @param status what it is bound to, and its vCPU
    public record Port(int number, EvtchnStatus status) {}
}
