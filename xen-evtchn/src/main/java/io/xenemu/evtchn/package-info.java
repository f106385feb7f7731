/// Xen event channels of the domains of one service: ports, VIRQs, IPIs, PIRQs, the 2-level and the FIFO ABI, and
/// saved state. The module knows no KVM: core implements the interfaces below.
///
/// Start at [EventChannels], which has every operation of `EVTCHNOP_*` and describes the locks. Then read
/// [Bindings], [Delivery] and [KernelTable].
///
/// Families of files:
///
/// - Ports and what they are bound to: [Bindings], [Interdomain], [Virqs], [Pirqs], [PirqTable], [PortTable],
///   [FreePorts], [Channel], [ChannelType].
/// - From an event to guest memory and a vCPU: [Delivery], [EventAbi], [TwoLevel], [VcpuInfo], [Vcpu].
/// - The FIFO ABI: [Fifo], [FifoQueue], [FifoSwitch], [EventArray], [ControlBlock].
/// - What KVM serves by itself: [KernelTable], [ContainedPorts].
/// - Domain 0's ends, for the service's back ends: [ServicePorts], [ServicePort], [ServiceListener],
///   [NoKernelPorts].
/// - Interfaces that core implements: [PeerChannels], [KernelPorts], [KernelDoorbell], [UpcallSink], [GuestPages]; with
///   others in [EventEnvironment].
/// - Values at the border: [EvtchnPort], [EvtchnStatus], [EvtchnOptions], [Pirq], [Virq].
/// - Saved state: [EventChannelsState], [PirqsState], [FifoState], their copies from live objects [Snapshot] and
///   [FifoSnapshot], the codecs [EventChannelsCodec] and [FifoCodec], and the earlier version
///   [EventChannelsStateV1].
/// - Accounts: [EventChannelMetrics], [PortAccount].
///
/// Locks, from above to below; [EventChannels] says what is called under which:
///
/// - the binding lock of a domain ([Bindings]); two domains in domid order, in [Interdomain] alone;
/// - the monitor of a port ([Channel]);
/// - the monitor of a FIFO queue ([FifoQueue]).
@NullMarked
package io.xenemu.evtchn;

import org.jspecify.annotations.NullMarked;
