package io.xenemu.core.xenimage;

import io.xenemu.kvm.wire.WireException;
import java.util.Optional;

/// A kind of record in an image. Its name is that of Xen's specification.
sealed interface RecordKind permits LibxlRecord, LibxcRecord, HvmRecord {
    /// The number in the image.
    int code();

    /// The name.
    String name();

    /// What an import does with it.
    Fate fate();

    /// Why it is not taken; empty for one that is.
    String reason();

    /// The kind of a number, if it is known.
    static <K extends RecordKind> Optional<K> find(K[] kinds, int code) {
        for (K kind : kinds) {
            if (kind.code() == code) {
                return Optional.of(kind);
            }
        }
        return Optional.empty();
    }

    /// Refuses an image that has this record, if it cannot be imported.
    ///
    /// @throws WireException names the record, and says why
    default void require() throws WireException {
        if (fate() == Fate.REFUSED) {
            throw new WireException("record " + name() + ": " + reason());
        }
    }
}
