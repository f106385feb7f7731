package io.xenemu.core.hypervisor;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Sets;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.kvm.abi.DomId;
import java.time.Instant;
import java.util.Locale;
import java.util.Set;

/// Something that has happened to a domain.
///
/// @param type what has happened
/// @param domain its id
/// @param name its name; empty when the domain was gone already
/// @param time when it happened
/// @param details further facts, by names of the control protocol
public record DomainEvent(
        Type type, DomId domain, String name, Instant time, ImmutableMap<String, String> details) {
    /// The kinds of events.
    public enum Type {
        /// The domain existed when the reader came.
        EXISTS,
        /// The domain has been made, and does not run yet.
        CREATED,
        /// Its vCPUs have begun to run.
        STARTED,
        PAUSED,
        UNPAUSED,
        /// The guest has suspended itself.
        SUSPENDED,
        /// Its suspend has been cancelled.
        RESUMED,
        /// Its state begins to be saved. It still runs.
        SAVING,
        /// Its state has been saved. The detail `then` tells whether it ends, goes on or stays paused.
        SAVED,
        /// It could not be saved, and goes on.
        SAVE_FAILED,
        /// It begins to move to another host. It still runs.
        MIGRATING,
        /// It has not moved, and goes on.
        MIGRATION_FAILED,
        /// It has been made from a saved state, and does not run yet.
        RESTORED,
        /// The guest has asked for a soft reset, and goes on in its memory.
        RESET,
        /// It stopped for the reason in the details. A guest that reboots gets another domain next.
        SHUTDOWN,
        /// It stopped because something went wrong in it or in its VM.
        CRASHED,
        /// It stays as it has stopped, until it is destroyed.
        PRESERVED,
        /// Nothing is left of it.
        DESTROYED,
        /// The back end of a device has taken the device.
        ATTACHED,
        /// A device has been removed.
        DETACHED
    }

    private static final Set<ShutdownReason> CRASHES =
            Sets.immutableEnumSet(
                    ShutdownReason.CRASH,
                    ShutdownReason.WATCHDOG,
                    ShutdownReason.TRIPLE_FAULT,
                    ShutdownReason.HOST_ERROR);

    /// An event without details, now.
    public static DomainEvent of(Type type, Domain domain) {
        return now(type, domain.id(), domain.config().name(), ImmutableMap.of());
    }

    /// The stop of a domain, now.
    public static DomainEvent stopped(Domain domain, ShutdownLatch.Outcome outcome) {
        ImmutableMap.Builder<String, String> details = ImmutableMap.builder();
        details.put("reason", word(outcome.reason()));
        if (!outcome.message().isEmpty()) {
            details.put("message", outcome.message());
        }
        return now(
                CRASHES.contains(outcome.reason()) ? Type.CRASHED : Type.SHUTDOWN,
                domain.id(),
                domain.config().name(),
                details.buildOrThrow());
    }

    /// A saved domain, now.
    ///
    /// @param then what becomes of it
    public static DomainEvent saved(Domain domain, DomainOrder.Then then) {
        return now(
                Type.SAVED,
                domain.id(),
                domain.config().name(),
                ImmutableMap.of("then", word(then)));
    }

    private static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /// An event of a device, now.
    ///
    /// @param name of the domain that uses it; empty if that is gone
    static DomainEvent ofDevice(Type type, PvDevice device, String name) {
        return now(
                type,
                device.frontend(),
                name,
                ImmutableMap.of(
                        "kind",
                        device.kind().directory(),
                        "device",
                        Integer.toString(device.id()),
                        "backend",
                        Integer.toString(device.backend().value())));
    }

    private static DomainEvent now(
            Type type, DomId domain, String name, ImmutableMap<String, String> details) {
        return new DomainEvent(type, domain, name, Instant.now(), details);
    }
}
