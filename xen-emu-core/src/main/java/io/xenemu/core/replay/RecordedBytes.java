package io.xenemu.core.replay;

import io.xenemu.core.trace.AccessKind;
import io.xenemu.core.trace.TracedAccess;
import io.xenemu.core.trace.TracedCall;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// The bytes of a recorded call by their addresses.
final class RecordedBytes {
    private RecordedBytes() {}

    /// The bytes that the guest gave to a call, by guest-physical address: those that it read before it wrote them.
    ///
    /// @return empty if the guest has changed a byte while the call read it twice
    static Optional<Map<Long, Byte>> given(TracedCall call) {
        Map<Long, Byte> given = new HashMap<>();
        Map<Long, Byte> known = new HashMap<>();
        for (TracedAccess access : call.accesses()) {
            for (int i = 0; i < access.bytes().length; i++) {
                long at = access.physical() + i;
                Byte value = access.bytes()[i];
                Byte before = known.put(at, value);
                if (access.kind() != AccessKind.IN) {
                    continue;
                }
                if (before == null) {
                    given.put(at, value);
                } else if (!before.equals(value)) {
                    return Optional.empty();
                }
            }
        }
        return Optional.of(given);
    }

    /// The bytes that a call has left in the guest's memory, by the guest's address.
    static Map<Long, Byte> written(TracedCall call) {
        Map<Long, Byte> written = new HashMap<>();
        for (TracedAccess access : call.accesses()) {
            if (access.kind() == AccessKind.OUT) {
                for (int i = 0; i < access.bytes().length; i++) {
                    written.put(access.linear() + i, access.bytes()[i]);
                }
            }
        }
        return written;
    }

    /// A number that a call has read or written at an offset of its argument.
    ///
    /// @param argument the guest's address
    /// @return empty if not all of it was copied
    static Optional<Long> number(
            TracedCall call, AccessKind kind, long argument, int offset, int size) {
        long value = 0;
        Map<Long, Byte> bytes = new HashMap<>();
        for (TracedAccess access : call.accesses()) {
            if (access.kind() == kind) {
                for (int i = 0; i < access.bytes().length; i++) {
                    bytes.put(access.linear() + i, access.bytes()[i]);
                }
            }
        }
        for (int i = size - 1; i >= 0; i--) {
            Byte next = bytes.get(argument + offset + i);
            if (next == null) {
                return Optional.empty();
            }
            value = value << Byte.SIZE | Byte.toUnsignedLong(next);
        }
        return Optional.of(value);
    }
}
