package io.xenemu.core.domain;

import io.xenemu.core.memory.MemoryState;
import io.xenemu.core.memory.MemoryStateCodec;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.core.timer.VcpuTimersCodec;
import io.xenemu.evtchn.EventChannelsCodec;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.gnttab.GrantTableCodec;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.FrameReader;
import io.xenemu.kvm.wire.FrameWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The table of contents of a saved domain: what Xen keeps of it. What KVM keeps of its VM is not in it: registers,
/// interrupt chips, clock, runstate times. The contents of RAM travel by pages.
///
/// A new component is a frame that some part saves, and a line in [DomainRestore]: that class takes the record apart,
/// so that it does not compile before it handles the component. [#read] wants each frame exactly once.
///
/// @param identity which domain it is
/// @param memory its address space and special pages
/// @param params its HVM parameters; the callback is one of them
/// @param sharedInfo place and layout of shared_info
/// @param delivery how vCPUs are told of events
/// @param areas the areas that each vCPU has registered
/// @param events its event channels
/// @param grants its grant table
/// @param timers the timers of each vCPU
public record XenState(
        Identity identity,
        MemoryState memory,
        HvmParams.State params,
        SharedInfo.State sharedInfo,
        EventDelivery.State delivery,
        List<VcpuAreas.State> areas,
        EventChannelsState events,
        GrantTableState grants,
        List<VcpuTimer.State> timers) {
    /// Checks that the components are of one domain.
    ///
    /// @throws IllegalArgumentException if they contradict each other
    public XenState {
        areas = List.copyOf(areas);
        timers = List.copyOf(timers);
        int vcpus = identity.config().vcpus();
        boolean agree =
                areas.size() == vcpus
                        && timers.size() == vcpus
                        && delivery.vectors().size() == vcpus
                        && events.vcpus() == vcpus
                        && events.domId().equals(identity.id())
                        && grants.domId().equals(identity.id())
                        && grants.limits().equals(identity.config().grants());
        if (!agree) {
            throw new IllegalArgumentException("the states are not of one domain");
        }
    }

    /// Which domain it is, and how often it is paused.
    ///
    /// @param pauses by an operator; it stays paused after a restore
    record Identity(DomId id, DomainConfig config, int pauses) {}

    /// Writes the states of a domain's parts as a stream of frames.
    ///
    /// @param parts from [Parts#save], none of them blocked
    public static byte[] write(Map<String, PartState> parts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            FrameWriter frames = new FrameWriter(bytes);
            for (PartState part : parts.values()) {
                switch (part) {
                    case PartState.Saved saved ->
                            frames.write(saved.frameType(), saved.version(), saved.body());
                    case PartState.Derived _, PartState.Nothing _ -> {}
                    case PartState.Blocked(String reason) ->
                            throw new IllegalArgumentException(reason);
                }
            }
            frames.finish();
        } catch (IOException e) {
            throw new IllegalStateException("memory does not fail", e);
        }
        return bytes.toByteArray();
    }

    /// Reads such a stream.
    ///
    /// @throws WireException if a frame is missing, occurs twice or is unknown, or cannot be used
    public static XenState read(InputStream stream) throws IOException {
        Frames frames = new Frames();
        Frame<Identity> identity =
                frames.add(DomainStateCodec.IDENTITY, DomainStateCodec::identity);
        Frame<MemoryState> memory = frames.add(MemoryStateCodec.TYPE, MemoryStateCodec::decode);
        Frame<HvmParams.State> params =
                frames.add(DomainStateCodec.PARAMS, DomainStateCodec::params);
        Frame<SharedInfo.State> sharedInfo =
                frames.add(DomainStateCodec.SHARED_INFO, DomainStateCodec::sharedInfo);
        Frame<EventDelivery.State> delivery =
                frames.add(DomainStateCodec.DELIVERY, DomainStateCodec::delivery);
        Frame<List<VcpuAreas.State>> areas =
                frames.add(DomainStateCodec.AREAS, DomainStateCodec::areas);
        Frame<EventChannelsState> events =
                frames.add(EventChannelsCodec.TYPE, EventChannelsCodec::decode);
        Frame<GrantTableState> grants = frames.add(GrantTableCodec.TYPE, GrantTableCodec::decode);
        Frame<List<VcpuTimer.State>> timers =
                frames.add(VcpuTimersCodec.TYPE, VcpuTimersCodec::decode);
        new FrameReader(stream).readEachOnce(frames.handlers);
        try {
            return new XenState(
                    identity.value(),
                    memory.value(),
                    params.value(),
                    sharedInfo.value(),
                    delivery.value(),
                    areas.value(),
                    events.value(),
                    grants.value(),
                    timers.value());
        } catch (IllegalArgumentException e) {
            throw new WireException(String.valueOf(e.getMessage()), e);
        }
    }

    private interface Decoder<T> {
        T decode(int version, BodyReader body) throws WireException;
    }

    /// The frames of a stream to come.
    private static final class Frames {
        final Map<Integer, FrameReader.Handler> handlers = new HashMap<>();

        <T> Frame<T> add(int type, Decoder<T> decoder) {
            Frame<T> frame = new Frame<>();
            handlers.put(
                    type, (version, body) -> frame.values = List.of(decoder.decode(version, body)));
            return frame;
        }
    }

    /// One frame's content once it was read.
    private static final class Frame<T> {
        private List<T> values = List.of();

        T value() {
            return values.getFirst();
        }
    }
}
