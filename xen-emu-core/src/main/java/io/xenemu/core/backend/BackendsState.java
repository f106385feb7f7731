package io.xenemu.core.backend;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// The saved state of a domain's devices that the service serves. Their nodes are saved with XenStore, their rings with
/// the guest's memory.
///
/// @param devices by kind and number
public record BackendsState(List<DeviceState> devices) {
    /// The state of a guest without such devices.
    public static final BackendsState NONE = new BackendsState(List.of());

    /// Frame type "DEVB".
    ///
    /// Version 1: count u32; for each device the kind's name as text; number u32; state as text; is connected; queues
    /// offered u32; version of its own state u16, and its bytes.
    public static final int TYPE = 0x42564544;

    /// The version that [#encode] writes.
    public static final int VERSION = 1;

    /// More devices than a guest can use.
    private static final int MAX_DEVICES = 4096;

    /// Takes the devices over.
    public BackendsState {
        devices = List.copyOf(devices);
    }

    /// The body of the frame.
    public BodyWriter encode() {
        BodyWriter body = new BodyWriter().u32(devices.size());
        devices.forEach(device -> device.encode(body));
        return body;
    }

    /// Reads such a body.
    ///
    /// @throws WireException for another version, or a state that cannot be used
    public static BackendsState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("devices", version);
        }
        List<DeviceState> devices = new ArrayList<>();
        for (int left = body.count(MAX_DEVICES); left > 0; left--) {
            devices.add(DeviceState.decode(body));
        }
        return new BackendsState(devices);
    }
}
