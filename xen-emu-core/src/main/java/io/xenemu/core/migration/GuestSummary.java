package io.xenemu.core.migration;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.time.Instant;
import java.util.UUID;

/// A saved guest in short, for whoever has to know which one it is before all else: it comes first.
///
/// @param name the guest's name
/// @param id its domain's id, which it keeps
/// @param uuid its unique identifier
/// @param vcpus the number of its vCPUs
/// @param memoryBytes the memory that it owned
/// @param savedAt the host's real time when its vCPUs had stopped, in milliseconds
public record GuestSummary(
        String name, DomId id, UUID uuid, int vcpus, long memoryBytes, Instant savedAt) {
    private static final int MAX_VCPUS = 4096;

    BodyWriter encode() {
        return new BodyWriter()
                .string(name)
                .u16(id.value())
                .u64(uuid.getMostSignificantBits())
                .u64(uuid.getLeastSignificantBits())
                .u32(vcpus)
                .u64(memoryBytes)
                .u64(savedAt.toEpochMilli());
    }

    static GuestSummary decode(BodyReader body) throws WireException {
        String name = body.string(SaveFormat.MAX_TEXT_BYTES);
        int id = body.u16();
        if (id == DomId.DOM0.value() || id >= DomId.FIRST_RESERVED) {
            throw new WireException("domain id " + id + " is not a guest's");
        }
        UUID uuid = new UUID(body.u64(), body.u64());
        int vcpus = body.count(MAX_VCPUS);
        long memory = body.u64();
        Instant savedAt = Instant.ofEpochMilli(body.u64());
        body.end();
        return new GuestSummary(name, DomId.of(id), uuid, vcpus, memory, savedAt);
    }
}
