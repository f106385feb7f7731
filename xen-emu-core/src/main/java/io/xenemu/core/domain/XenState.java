package io.xenemu.core.domain;

import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.memory.MemoryState;
import io.xenemu.core.memory.MemoryStateCodec;
import io.xenemu.core.timer.VcpuTimer;
import io.xenemu.core.timer.VcpuTimersCodec;
import io.xenemu.core.timer.Watchdogs;
import io.xenemu.evtchn.EventChannelsCodec;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.gnttab.GrantTableCodec;
import io.xenemu.gnttab.GrantTableState;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.FrameWriter;
import io.xenemu.kvm.wire.WireException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/// The table of contents of a saved domain: the state that Xen keeps of it. State in KVM is not in it: registers,
/// interrupt chips, clock. The contents of RAM travel by pages.
///
/// A new component is a frame that some part saves, and a line in [DomainRestore]. That class takes the record apart,
/// so it does not compile until it handles the component. [SavedFrames] requires each frame exactly once.
///
/// @param identity which domain it is
/// @param memory its address space and special pages
/// @param params its HVM parameters; the callback is one of them
/// @param sharedInfo place and layout of shared_info
/// @param delivery how vCPUs are told of events
/// @param areas the areas that each vCPU has registered, and the account of its time
/// @param events its event channels
/// @param grants its grant table
/// @param timers the timers of each vCPU
/// @param watchdogs its watchdogs
/// @param layout of its machine, if another hypervisor has built it
public record XenState(
        Identity identity,
        MemoryState memory,
        HvmParams.State params,
        SharedInfo.State sharedInfo,
        EventDelivery.State delivery,
        List<VcpuAreas.State> areas,
        EventChannelsState events,
        GrantTableState grants,
        List<VcpuTimer.State> timers,
        Watchdogs.State watchdogs,
        Optional<MachineLayout> layout) {
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

    /// The domain's id.
    public DomId id() {
        return identity.id();
    }

    /// The domain's configuration.
    public DomainConfig config() {
        return identity.config();
    }

    /// The domain's identity, and the number of its pauses.
    ///
    /// @param pauses by an operator; it stays paused after a restore
    record Identity(DomId id, DomainConfig config, int pauses) {}

    /// Writes the states of a domain's parts as a stream of frames.
    ///
    /// @param parts from [Parts#save]
    public static byte[] write(Map<String, PartState> parts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            FrameWriter frames = new FrameWriter(bytes);
            for (PartState part : parts.values()) {
                switch (part) {
                    case PartState.Saved saved ->
                            frames.write(saved.frameType(), saved.version(), saved.body());
                    case PartState.Derived _, PartState.Nothing _ -> {}
                }
            }
            frames.finish();
        } catch (IOException e) {
            throw new IllegalStateException("memory does not fail", e);
        }
        return bytes.toByteArray();
    }

    /// Reads such a stream, of a domain without devices.
    ///
    /// @throws WireException if a frame is missing, occurs twice or is unknown, or cannot be used
    static XenState read(InputStream stream) throws IOException {
        SavedFrames frames = new SavedFrames();
        return frames.read(stream, addTo(frames));
    }

    /// Requires the frames of a domain.
    ///
    /// @return gives the state once they were read; throws [IllegalArgumentException] as the constructor
    public static Supplier<XenState> addTo(SavedFrames frames) {
        var identity = frames.add(DomainStateCodec.IDENTITY, DomainStateCodec::identity);
        var memory = frames.add(MemoryStateCodec.TYPE, MemoryStateCodec::decode);
        var params = frames.add(DomainStateCodec.PARAMS, DomainStateCodec::params);
        var sharedInfo = frames.add(DomainStateCodec.SHARED_INFO, DomainStateCodec::sharedInfo);
        var delivery = frames.add(DomainStateCodec.DELIVERY, DomainStateCodec::delivery);
        var areas = frames.add(DomainStateCodec.AREAS, DomainStateCodec::areas);
        var events = frames.add(EventChannelsCodec.TYPE, EventChannelsCodec::decode);
        var grants = frames.add(GrantTableCodec.TYPE, GrantTableCodec::decode);
        var timers = frames.add(VcpuTimersCodec.TYPE, VcpuTimersCodec::decode);
        // Domains that were saved before had none.
        var watchdogs =
                frames.addOptional(
                        DomainStateCodec.WATCHDOGS,
                        DomainStateCodec::watchdogs,
                        Watchdogs.State.NONE);
        // Only domains that were imported have it.
        var layout =
                frames.<Optional<MachineLayout>>addOptional(
                        DomainStateCodec.LAYOUT, DomainStateCodec::layout, Optional.empty());
        return () ->
                new XenState(
                        identity.get(),
                        memory.get(),
                        params.get(),
                        sharedInfo.get(),
                        delivery.get(),
                        areas.get(),
                        events.get(),
                        grants.get(),
                        timers.get(),
                        watchdogs.get(),
                        layout.get());
    }
}
