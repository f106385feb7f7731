/// Devices that the service serves to its guests, as domain 0. All kinds share one state machine; each kind has a room
/// below this one.
///
/// Start at [Backends], which has the devices of all domains, and [ServedDevice], which follows one device's nodes.
///
/// - A kind and its devices: [BackendKind], [BackendDevice], [BackendConnection], [Handshake]; all kinds:
///   [DeviceKinds]; one connection: [ServedConnection]; the end of a device: [DeviceEnd].
/// - Both ends' states: [Transitions] decides the next [Transition] from [Phase], front end and [Online];
///   [DeviceDirectory] has the nodes, [DeviceLog] the lines for an operator, [BackendMetrics] the meters,
///   [DeviceTags] the tags of all.
/// - A guest's end: [Frontend] with [FrontendNodes], [FrontendError].
/// - The threads of queues: [QueueThread], [Wakening]; those of engines [EngineThreads], and others [OwnQueueThread].
/// - The threads of a device's steps: [StepThreads]; of an operator's calls that may wait for the host: [HostCalls].
/// - A domain's devices as a part of it: [BackendPart]; their saved state: [BackendsState], [DeviceState],
///   [SavedConnection], [SavedSpec]. Their way to another host: [DeviceMoves].
///
/// # How to write a back end
///
/// 1. Implement [BackendKind] and add it to `ServedKinds`. `open` checks the operator's specification by
///    opening what the device needs. It runs before the device has nodes, so a refusal leaves nothing.
/// 2. [BackendDevice#features] names all that the device offers. The frame publishes it before InitWait, since some
///    front ends read it there and others when the back end is Connected.
/// 3. [BackendDevice#connect] takes everything from [Frontend], in this order: check the nodes ([FrontendNodes]; for
///    each of [FrontendNodes#queues] its [FrontendNodes#ring]), map the rings ([Frontend#map]), make the queue's thread
///    ([Frontend#thread]), bind its event channels ([Frontend#bind]). A wrong node is a [FrontendError], which names
///    the node. The device undoes nothing of this: the frame does, when connecting fails and when the connection ends.
///    The nodes were read once; the guest may have written others since.
/// 4. The queue's work runs on the queue's thread alone, from when the device is Connected. It serves at most one
///    ring full, and says whether there was anything to do. An event may come without a request, and a request without
///    an event: look again after having asked for the next event. Other guests' queues wait meanwhile, if it runs on
///    an engine. Work that has more to do signals its thread.
/// 5. Pages of single requests are mapped by [Frontend#grants], into mapping objects that are used again. The
///    connection ends these mappings itself, with the request.
/// 6. [BackendConnection#drain] takes no new requests, and waits for those in flight. Afterwards the guest may free
///    its pages: the kernel must not write to them any more. The frame calls it until it succeeds, however long that
///    takes.
/// 7. A guest's mistake is an answer to its request. A broken ring stops this ring ([Frontend#broken]). An exception
///    of the work is our bug, and closes the device.
/// 8. A kind whose devices can be saved is a [BackendKind.Savable], and they are [BackendDevice.Savable]: saved when
///    they are drained, and connected again from their state, not from the nodes. A device with something that one host
///    alone may have is a [BackendDevice.Claimed].
///
/// `ServedGuest` of the tests is a guest without KVM whose devices are served; `NullKind` is the smallest kind.
///
/// Locks: none of its own. Steps of a device are serial. Watch events come on the threads of vCPUs, and only ask for a
/// step. The work of a queue holds no lock of the frame.
@NullMarked
package io.xenemu.core.backend;

import org.jspecify.annotations.NullMarked;
