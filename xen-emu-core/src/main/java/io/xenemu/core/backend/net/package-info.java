/// Network interfaces that the service serves itself (`xen/include/public/io/netif.h`), between a guest's rings and a
/// tap of the host.
///
/// Start at [TxQueue] and [RxQueue], the two directions of a queue.
///
/// - From the guest: [TxPacket] assembles a frame's slots, [PacketHeaders] reads a copy of its first bytes, [TxOffload]
///   makes a tap's header ([VnetHeader]) of both. [TxCredit] limits the rate.
/// - To the guest: [RxFrame] is the frame on its way, [RxFeatures] what the guest takes, [MulticastFilter] whose frames
///   ([EthernetAddress]).
/// - [ControlRing] answers the control ring. [Netif] has the protocol's constants.
/// - Seams: [FramePort] is the host's end, [GrantedPages] the guest's memory.
/// - [QueueCounters] and [DropReason] are what the metrics show.
@NullMarked
package io.xenemu.core.backend.net;

import org.jspecify.annotations.NullMarked;
