package io.xenemu.core.guest;

import io.xenemu.core.toolstack.Refused;
import java.util.Locale;

/// The reasons for which a request to a guest is refused.
enum Refusal {
    NOT_STARTED("%s has not been started"),
    STARTED("%s has been started already"),
    NOT_PAUSED("%s is not paused"),
    PAUSED("%s is paused"),
    SUSPENDED("%s is suspended"),
    NOT_SUSPENDED("%s is not suspended"),
    /// It is preserved.
    STOPPED("%s has stopped"),
    REBOOTING("%s is rebooting"),
    SAVING("%s is being saved"),
    MIGRATING("%s is being migrated"),
    DUMPING("%s is being dumped already"),
    DESTROYED("%s has been destroyed"),
    /// The guest has ended, or has another domain.
    GONE("%s is gone"),
    TOO_MANY("%s has too many requests waiting");

    private final String format;

    Refusal(String format) {
        this.format = format;
    }

    /// The refusal of a request to a certain guest, in words for an operator.
    ///
    /// @param guest its name
    Refused of(String guest) {
        String reason = String.format(Locale.ROOT, format, guest);
        return switch (this) {
            // The same message as for a name that never had a guest: the two differ only for a
            // moment.
            case GONE -> Refused.noSuchDomain(guest);
            case TOO_MANY -> new Refused(Refused.Kind.BUSY, reason);
            case NOT_STARTED,
                    STARTED,
                    NOT_PAUSED,
                    PAUSED,
                    SUSPENDED,
                    NOT_SUSPENDED,
                    STOPPED,
                    REBOOTING,
                    SAVING,
                    MIGRATING,
                    DUMPING,
                    DESTROYED ->
                    new Refused(reason);
        };
    }
}
