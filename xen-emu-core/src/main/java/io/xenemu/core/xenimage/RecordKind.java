package io.xenemu.core.xenimage;

import com.google.errorprone.annotations.Immutable;
import io.xenemu.kvm.wire.WireException;

/// A kind of record in an image. Its name is that of Xen's specification.
sealed interface RecordKind permits LibxlRecord, LibxcRecord, HvmRecord {
    /// What is known of a kind.
    ///
    /// @param code the number in the image
    /// @param fate what an import does with it
    /// @param reason why it is not taken; empty for one that is
    @Immutable
    record Facts(int code, Fate fate, String reason) {}

    /// What is known of it.
    Facts facts();

    /// The name.
    String name();

    /// The number in the image.
    default int code() {
        return facts().code();
    }

    /// What an import does with it.
    default Fate fate() {
        return facts().fate();
    }

    /// Why it is not taken; empty for one that is.
    default String reason() {
        return facts().reason();
    }

    /// The kind of a number.
    ///
    /// @param unknown the format of the message about a number that is not known
    /// @throws WireException if it is unknown
    static <K extends RecordKind> K of(K[] kinds, int code, String unknown) throws WireException {
        for (K kind : kinds) {
            if (kind.code() == code) {
                return kind;
            }
        }
        throw new WireException(unknown.formatted(code));
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
