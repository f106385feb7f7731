package io.xenemu.core.trace;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The bytes that a call has copied, by the guest's address.
final class CopiedBytes {
    private final List<TracedAccess> accesses;

    CopiedBytes(TracedCall call) {
        accesses = call.accesses();
    }

    /// The bytes of a range that were copied in one direction; null unless all of them were. Of bytes that were copied
    /// twice, the last copy counts.
    byte @Nullable [] find(AccessKind kind, long linear, int length) {
        byte[] found = new byte[length];
        boolean[] known = new boolean[length];
        for (TracedAccess access : accesses) {
            if (access.kind() == kind) {
                overlay(access, linear, found, known);
            }
        }
        for (boolean one : known) {
            if (!one) {
                return null;
            }
        }
        return found;
    }

    private static void overlay(TracedAccess access, long linear, byte[] target, boolean[] known) {
        long distance = access.linear() - linear;
        if (distance >= target.length || -distance >= access.bytes().length) {
            return;
        }
        for (int i = 0; i < access.bytes().length; i++) {
            long at = distance + i;
            if (at >= 0 && at < target.length) {
                target[(int) at] = access.bytes()[i];
                known[(int) at] = true;
            }
        }
    }

    /// All bytes copied in one direction from an address on, without a gap.
    byte[] from(AccessKind kind, long linear) {
        for (TracedAccess access : accesses) {
            if (access.kind() == kind && access.linear() == linear) {
                return access.bytes();
            }
        }
        return new byte[0];
    }
}
