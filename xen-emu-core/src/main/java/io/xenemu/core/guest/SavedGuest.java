package io.xenemu.core.guest;

import io.xenemu.core.backend.BackendsState;
import io.xenemu.core.backend.engine.EngineMapState;
import io.xenemu.core.device.AcpiState;
import io.xenemu.core.device.ConsoleState;
import io.xenemu.core.device.DeviceStateCodec;
import io.xenemu.core.device.RtcState;
import io.xenemu.core.device.SerialState;
import io.xenemu.core.device.UnplugState;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.ResumedDomain;
import io.xenemu.core.domain.SavedFrames;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypervisor.DomainDevices;
import io.xenemu.core.machine.state.KvmState;
import io.xenemu.core.machine.state.KvmStateCodec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import io.xenemu.xenstore.state.XenStoreState.NodeState;
import io.xenemu.xenstore.tree.Path;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;
import java.util.function.Supplier;

/// The table of contents of a saved guest: its domain, KVM's state of its VM, and the service's state for it.
/// [XenState#write] writes it from the answers of the domain's parts.
///
/// @param xen the domain
/// @param kvm the VM: registers, interrupt chips, time
/// @param store its nodes in XenStore, and its connection
/// @param console its PV console
/// @param serial its serial port
/// @param rtc its clock
/// @param unplug its unplug ports
/// @param acpi its ACPI events and VM generation id
/// @param engines the engines that serve its devices
/// @param backends its devices that the service serves
/// @param suspended if it had suspended itself: it then goes on as in a new domain, and the components from `store` on,
///     but for the serial port and the platform, are only checked
record SavedGuest(
        XenState xen,
        KvmState kvm,
        XenStoreState store,
        ConsoleState console,
        SerialState serial,
        RtcState rtc,
        UnplugState unplug,
        AcpiState acpi,
        EngineMapState engines,
        BackendsState backends,
        Optional<SuspendedState> suspended) {
    private static final Path VM = Path.of("/vm");
    private static final Path TOOLSTACK = Path.of("/libxl");
    private static final Path BACKENDS = Path.of("/local/domain/0/backend");

    /// Checks that the components are of one guest, and of nothing else.
    ///
    /// @throws IllegalArgumentException if they contradict each other
    SavedGuest {
        DomId id = xen.id();
        require(
                kvm.vcpus().size() == xen.areas().size(),
                "the states of the vCPUs are not the domain's");
        require(
                store.sockets().isEmpty()
                        && store.domains().size() == 1
                        && store.domains().getFirst().domain().equals(id),
                "the state of XenStore is not the domain's");
        for (NodeState node : store.nodes()) {
            require(isOf(id, node.path()), "a node of XenStore is not the domain's");
        }
        int storePort = port(store);
        require(
                isForService(xen.events(), storePort)
                        && isForService(xen.events(), console.port())
                        && (storePort == 0 || storePort != console.port()),
                "an event channel of the console or XenStore is not");
    }

    private static void require(boolean isSo, String otherwise) {
        if (!isSo) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    /// Whether a node may belong to a domain: below its home or the toolstack's record of its devices, a directory in
    /// `/vm`, or its back ends in domain 0. Any directory in `/vm` is accepted: only the store that saved the guest
    /// knew which one was its own.
    private static boolean isOf(DomId id, Path path) {
        String number = Integer.toString(id.value());
        if (path.isAtOrBelow(Path.ofDomain(id)) || path.isAtOrBelow(TOOLSTACK.child(number))) {
            return true;
        }
        if (path.isAtOrBelow(BACKENDS)) {
            String[] below = path.toString().substring(BACKENDS.toString().length()).split("/", -1);
            return below.length > 2 && below[2].equals(number);
        }
        return path.isAtOrBelow(VM) && !path.equals(VM);
    }

    private static int port(XenStoreState store) {
        return store.domains().getFirst().port();
    }

    /// Whether a port was connected with domain 0, or is no port.
    private static boolean isForService(EventChannelsState events, int port) {
        return port == 0
                || events.ports().stream()
                        .anyMatch(saved ->
                                saved.number() == port
                                        && saved.status() instanceof EvtchnStatus.Interdomain end
                                        && end.remote().equals(DomId.DOM0));
    }

    /// The domain's port that is connected with XenStore, or [EvtchnPort#NONE].
    EvtchnPort storePort() {
        return new EvtchnPort(port(store));
    }

    /// The state from which its domain is made.
    XenState domain() {
        return suspended.isPresent() ? ResumedDomain.of(xen) : xen;
    }

    /// The state from which the domain of a clone is made.
    ///
    /// @param id of the clone
    /// @param config has its name and UUID
    XenState clone(DomId id, DomainConfig config) {
        return ResumedDomain.as(xen, id, xen.config().called(config.name(), config.uuid()));
    }

    /// The same guest with devices of its own, to become a clone.
    ///
    /// @throws Refused if it had not suspended itself, or two guests cannot have one of its devices
    SavedGuest forClone(DomainDevices devices) throws Refused {
        SuspendedState anew =
                suspended.orElseThrow(() ->
                        new Refused(
                                xen.config().name()
                                        + " did not take part in its save (--suspend): it would not notice that it"
                                        + " has another domain id"));
        return new SavedGuest(
                xen,
                kvm,
                store,
                console,
                serial,
                rtc,
                unplug,
                acpi,
                engines,
                backends,
                Optional.of(
                        new SuspendedState(
                                anew.onlineVcpus(),
                                anew.memory(),
                                devices.ofClone(anew.devices()))));
    }

    /// Reads a saved guest.
    ///
    /// @throws io.xenemu.kvm.wire.WireException if a frame is missing, occurs twice or is unknown, or cannot be used
    static SavedGuest read(InputStream stream) throws IOException {
        SavedFrames frames = new SavedFrames();
        return frames.read(stream, addTo(frames));
    }

    /// Requires the frames of a guest.
    ///
    /// @return gives the guest once they were read; throws [IllegalArgumentException] as the constructor
    static Supplier<SavedGuest> addTo(SavedFrames frames) {
        var xen = XenState.addTo(frames);
        var kvm = frames.add(KvmStateCodec.TYPE, KvmStateCodec::decode);
        var store = frames.add(XenStoreCodec.TYPE, XenStoreCodec::decode);
        var console = frames.add(DeviceStateCodec.CONSOLE, DeviceStateCodec::console);
        var serial = frames.add(DeviceStateCodec.SERIAL, DeviceStateCodec::serial);
        var rtc = frames.add(DeviceStateCodec.RTC, DeviceStateCodec::rtc);
        var unplug = frames.add(DeviceStateCodec.UNPLUG, DeviceStateCodec::unplug);
        var acpi = frames.add(DeviceStateCodec.ACPI, DeviceStateCodec::acpi);
        // Guests that were saved before there were engines do not have it.
        var engines =
                frames.addOptional(
                        EngineMapState.TYPE, EngineMapState::decode, EngineMapState.NONE);
        // A guest has it only with such devices.
        var backends =
                frames.addOptional(BackendsState.TYPE, BackendsState::decode, BackendsState.NONE);
        // Only a guest that had suspended itself has it.
        var suspended =
                frames.<Optional<SuspendedState>>addOptional(
                        SuspendedState.TYPE,
                        (version, body) -> Optional.of(SuspendedState.decode(version, body)),
                        Optional.empty());
        return () ->
                new SavedGuest(
                        xen.get(),
                        kvm.get(),
                        store.get(),
                        console.get(),
                        serial.get(),
                        rtc.get(),
                        unplug.get(),
                        acpi.get(),
                        engines.get(),
                        backends.get(),
                        suspended.get());
    }
}
