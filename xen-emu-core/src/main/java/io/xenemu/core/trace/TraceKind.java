package io.xenemu.core.trace;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Kinds of events that a trace can record beside hypercalls, each with its number in the file.
public enum TraceKind {
    /// An exit of a vCPU that is no hypercall. Numbers of this and the next: see
    /// [io.xenemu.core.domain.DomainObserver].
    EXITS(1),
    /// An event was announced to a vCPU by this process.
    UPCALLS(2),
    /// A request of the guest to XenStore was served.
    XENSTORE(3),
    /// Another domain, or the service, began or ended its use of a page that the guest has granted.
    GRANTS(4),
    /// An operator changed something on which results of hypercalls depend. Every trace has these.
    CHANGES(5);

    private final int code;

    TraceKind(int code) {
        this.code = code;
    }

    /// The number in the file.
    int code() {
        return code;
    }

    /// The kind of a number in the file; null if there is none.
    static @Nullable TraceKind of(long code) {
        for (TraceKind kind : values()) {
            if (kind.code == code) {
                return kind;
            }
        }
        return null;
    }

    /// The name in a filter.
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
