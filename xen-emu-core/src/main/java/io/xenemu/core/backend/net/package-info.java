/// Network interfaces that the service serves itself (`xen/include/public/io/netif.h`), between a guest's rings and a
/// tap of the host, or a passt.
///
/// Start at [NetKind] and [NetBackend], which open and offer an interface, and [NetConnection], which is made when the
/// guest connects, of queues that [NetQueues] makes; [NetWires] is what connects one. [NetQueue] is the work of a
/// queue, with its two directions, [TxQueue] and [RxQueue].
///
/// - From the guest: [TxPacket] assembles a frame's slots, [PacketHeaders] reads a copy of its first bytes, [TxOffload]
///   makes a tap's header ([VnetHeader]) of both. [TxCredit] limits the rate.
/// - To the guest: [RxFrame] is the frame on its way, [RxWindow] the pages for it, [RxFeatures] what the guest takes,
///   [MulticastFilter] whose frames ([EthernetAddress]).
/// - [NetFrontend] checks a front end's nodes. [ControlRing] answers the control ring. [Netif] has the protocol's
///   constants.
/// - The host's end, [HostLink] with a [FramePort] for each queue: [HostTap], whose name is in [TapNames], with its
///   [HotplugScript]; or [StreamLink], which keeps a [FrameStream] connected to a [StreamPeer], that is [Passt] or a
///   [SocketPeer], and goes to another process as [HandedOverStream]. [InternetChecksum] does what a stream has no
///   header for.
/// - [NetState] is an interface's saved state, [NetStateCodec] its form; [Announcement] tells the network of a restored
///   guest.
/// - The guest's memory: [GrantedPages] by [PinnedPages].
/// - [NetMetrics] shows what [QueueCounters] have, drops by [DropReason].
///
/// Locks: the monitor of a [NetQueue] is held during a run, below no other. Those of [MulticastFilter] and
/// [NetConnection] are leaves, and so is that of [FrameStream], below a [NetQueue]'s. A [Passt]'s is held while it
/// starts or ends, and no queue takes it.
@NullMarked
package io.xenemu.core.backend.net;

import org.jspecify.annotations.NullMarked;
