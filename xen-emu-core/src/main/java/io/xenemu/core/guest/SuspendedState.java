package io.xenemu.core.guest;

import io.xenemu.core.backend.SavedSpec;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.PartState;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// What a guest is to find that had suspended itself when it was saved. A saved guest that has this goes on as in a new
/// domain: see [io.xenemu.core.domain.ResumedDomain].
///
/// @param onlineVcpus how many of its vCPUs it is to use
/// @param memory bytes that it is to have
/// @param devices its devices, in the order in which it finds them
record SuspendedState(int onlineVcpus, long memory, List<SavedSpec> devices) {
    /// Frame type "SUSP".
    ///
    /// Version 1: vCPUs that are used u32; memory u64; devices u32, then for each its kind's name as text, the version
    /// of its specification u16, and the bytes of that.
    static final int TYPE = 0x50535553;

    private static final int VERSION = 1;

    /// More devices than a guest can use.
    private static final int MAX_DEVICES = 4096;

    SuspendedState {
        devices = List.copyOf(devices);
    }

    /// The frame.
    PartState saved() {
        BodyWriter body = new BodyWriter().u32(onlineVcpus).u64(memory).u32(devices.size());
        devices.forEach(device -> device.encode(body));
        return new PartState.Saved(TYPE, VERSION, body);
    }

    /// Reads the body of the frame.
    ///
    /// @throws WireException for another version, or a state that cannot be used
    static SuspendedState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("suspended guest", version);
        }
        int online = body.count(DomainConfig.MAX_VCPUS);
        long memory = body.u64();
        if (online < 1 || memory < 1) {
            throw new WireException(
                    "a guest with %d vCPUs and %d bytes of memory".formatted(online, memory));
        }
        List<SavedSpec> devices = new ArrayList<>();
        for (int left = body.count(MAX_DEVICES); left > 0; left--) {
            devices.add(SavedSpec.decode(body));
        }
        return new SuspendedState(online, memory, devices);
    }
}
