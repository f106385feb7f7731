package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.settings;

import com.google.common.primitives.Longs;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.guest.HostedGuest;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.guest.Migration;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.hypervisor.SavePlace;
import io.xenemu.core.json.Json;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.toolstack.Refused;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The verbs that move a guest to another host. The client has the connection: the service connects to a Unix socket of
/// the client, which passes the bytes on in both directions ([ClientStream]).
final class MigrationCommands {
    private static final String DOMAIN = "domain";
    private static final String HOST = "host";
    private static final String ACTION = "action";
    private static final String SETTING = "setting";
    private static final String SOCKET = "socket";

    /// A further guest that moves; may be given more than once.
    private static final String WITH = "with";

    /// The socket of a further connection; may be given more than once.
    private static final String STREAM = "stream";

    /// The settings of a migration, and of a guest that comes.
    private static final Set<String> SETTINGS =
            Set.of(
                    SOCKET,
                    WITH,
                    STREAM,
                    "streams",
                    "downtime-limit",
                    "bandwidth",
                    "timeout",
                    "force",
                    "throttle",
                    "dry-run",
                    "trust-storage",
                    "copy-storage",
                    "replace-storage",
                    "postcopy");

    private static final long MIB = 1 << 20;

    static final List<Verb> VERBS =
            List.of(
                    Verb.ofDaemon(
                            "migrate",
                            "Move a guest to another host while it runs. HOST is reached by ssh, or HOST:PORT by TLS. "
                                    + "The guest goes on here whatever fails, until the other host is ready and this one "
                                    + "has decided. After that, migrate-status shows what is not known, and "
                                    + "migrate-resolve decides. Several guests move at one moment, with the pages and "
                                    + "event channels that they share: all of them, or none.",
                            Verb.Effect.CHANGES_SLOWLY,
                            MigrationCommands::migrate,
                            one(DOMAIN),
                            one(HOST),
                            settings(SETTING)),
                    Verb.ofDaemon(
                            "migrate-receive",
                            "Take a guest from another host, over standard input and output, or with --listen over "
                                    + "TLS. Until it runs, its name has the suffix --incoming.",
                            Verb.Effect.CHANGES_SLOWLY,
                            MigrationCommands::receive,
                            settings(SETTING)),
                    Verb.ofDaemon(
                            "migrate-status",
                            "List the migrations from and to this host, with their phases, and those that wait for "
                                    + "a decision.",
                            Verb.Effect.READS,
                            MigrationCommands::status),
                    Verb.ofDaemon(
                            "migrate-groups",
                            "List the guests, those in one line that share pages or event channels: they can only move "
                                    + "and be saved together.",
                            Verb.Effect.READS,
                            MigrationCommands::groups),
                    Verb.ofDaemon(
                            "migrate-recover",
                            "Let the pages of a guest go on to follow it (migrate --postcopy), after their connection was lost.",
                            Verb.Effect.CHANGES_SLOWLY,
                            MigrationCommands::recover,
                            one(DOMAIN),
                            one(HOST),
                            settings(SETTING)),
                    Verb.ofDaemon(
                            "migrate-cancel",
                            "Cancel the migration of a guest, which goes on where it is.",
                            Verb.Effect.CHANGES,
                            MigrationCommands::cancel,
                            one(DOMAIN)),
                    Verb.ofDaemon(
                            "migrate-resolve",
                            "Decide about this host's copy of a guest, if the hosts have lost each other: run or "
                                    + "destroy it. Let it run only if the other host's copy does not: look there first.",
                            Verb.Effect.CHANGES,
                            MigrationCommands::resolve,
                            one(DOMAIN),
                            one(ACTION)));

    /// Verbs that are of use for a guest that moves.
    static final Set<String> FOR_MOVING =
            Set.of(
                    "destroy",
                    "migrate-cancel",
                    "migrate-recover",
                    "migrate-resolve",
                    "migrate-receive");

    private MigrationCommands() {}

    private static Map<String, String> given(VerbCall call) throws Refused {
        Map<String, String> settings = new HashMap<>();
        for (String word : call.all(SETTING)) {
            int at = word.indexOf('=');
            String name = at < 0 ? word : word.substring(0, at);
            if (!SETTINGS.contains(name) || at < 0) {
                throw new Refused("'" + word + "' is no setting of a migration");
            }
            if (!name.equals(WITH) && !name.equals(STREAM)) {
                settings.put(name, word.substring(at + 1));
            }
        }
        return settings;
    }

    private static SavePlace place(Map<String, String> settings) throws Refused {
        return place(settings.get(SOCKET));
    }

    /// The sockets of further connections.
    private static List<SavePlace> further(VerbCall call, MigrationOptions options) throws Refused {
        List<SavePlace> further = new ArrayList<>();
        for (String word : call.all(SETTING)) {
            if (word.startsWith(STREAM + "=")) {
                further.add(place(word.substring(STREAM.length() + 1)));
            }
        }
        if (further.size() != (options.onlyAsks() ? 0 : options.streams() - 1)) {
            throw new Refused(
                    "%d further connections for %d streams"
                            .formatted(further.size(), options.streams()));
        }
        return further;
    }

    private static SavePlace place(@Nullable String name) throws Refused {
        try {
            if (name != null && Path.of(name).isAbsolute()) {
                return new SavePlace(Path.of(name), SavePlace.Kind.SOCKET);
            }
        } catch (InvalidPathException e) {
            throw new Refused("'" + name + "' is not a path: " + e.getReason());
        }
        throw new Refused("socket: the client's socket is missing, or its path is not absolute");
    }

    private static Optional<Long> number(Map<String, String> settings, String name) throws Refused {
        String word = settings.get(name);
        if (word == null) {
            return Optional.empty();
        }
        Long number = Longs.tryParse(word);
        if (number == null || number < 0 || number > Integer.MAX_VALUE) {
            throw new Refused(name + ": '" + word + "' is no number");
        }
        return Optional.of(number);
    }

    private static boolean truth(Map<String, String> settings, String name, boolean otherwise)
            throws Refused {
        String word = settings.get(name);
        return switch (word) {
            case null -> otherwise;
            case "true" -> true;
            case "false" -> false;
            default -> throw new Refused(name + ": '" + word + "' is neither true nor false");
        };
    }

    private static int streams(Map<String, String> settings) throws Refused {
        long streams = number(settings, "streams").orElse(1L);
        if (streams < 1 || streams > MigrationMessage.MAX_STREAMS) {
            throw new Refused("streams: 1 to " + MigrationMessage.MAX_STREAMS);
        }
        return Math.toIntExact(streams);
    }

    private static MigrationOptions options(Map<String, String> settings) throws Refused {
        MigrationOptions usual = MigrationOptions.DEFAULT;
        boolean copies = truth(settings, "copy-storage", usual.copiesStorage());
        boolean replaces = truth(settings, "replace-storage", usual.replacesStorage());
        if (replaces && !copies) {
            throw new Refused("replace-storage needs copy-storage");
        }
        return new MigrationOptions(
                number(settings, "downtime-limit")
                        .map(Duration::ofMillis)
                        .orElse(usual.downtimeLimit()),
                number(settings, "bandwidth").map(mib -> mib * MIB).orElse(usual.bytesPerSecond()),
                number(settings, "timeout").map(Duration::ofSeconds).or(usual::timeout),
                truth(settings, "force", usual.force()),
                truth(settings, "throttle", usual.throttles()),
                truth(settings, "dry-run", usual.onlyAsks()),
                truth(settings, "trust-storage", usual.trustsStorage()),
                truth(settings, "postcopy", usual.postCopy()),
                copies,
                replaces,
                streams(settings));
    }

    private static ControlReply migrate(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        Map<String, String> settings = given(call);
        List<Domain> domains = domains(service, call);
        HostedGuests all = service.guests();
        List<HostedGuest> leaving = new ArrayList<>();
        for (Domain domain : domains) {
            HostedGuest guest = all.named(domain.config().name());
            if (guest != null) {
                leaving.add(guest);
            }
        }
        MigrationOptions options = options(settings);
        Migration.Status end =
                all.migrate(
                        domains,
                        place(settings),
                        further(call, options),
                        call.one(HOST),
                        options,
                        status -> call.tell(json(status)));
        if (options.onlyAsks()) {
            List<String> rows = new ArrayList<>();
            rows.add(end.guest() + " can move to " + end.peer());
            end.checked().lines().forEach(rows::add);
            return ControlReply.rows(rows);
        }
        for (Domain domain : domains) {
            service.domains().awaitEnd(domain);
        }
        for (HostedGuest guest : leaving) {
            guest.awaitEnd();
        }
        return ControlReply.rows(List.of(moved(end))).with("migration", json(end));
    }

    /// The guests that move together.
    private static List<Domain> domains(OperatedService service, VerbCall call) throws Refused {
        List<Domain> domains = new ArrayList<>();
        domains.add(service.named().named(call.one(DOMAIN)));
        for (String word : call.all(SETTING)) {
            if (word.startsWith(WITH + "=")) {
                domains.add(service.named().named(word.substring(WITH.length() + 1)));
            }
        }
        return domains;
    }

    private static ControlReply groups(OperatedService service, VerbCall call) throws Refused {
        List<List<String>> groups = service.guests().groups();
        return ControlReply.rows(groups.stream().map(group -> String.join(" ", group)).toList())
                .with(
                        "groups",
                        new Json.Array(
                                groups.stream()
                                        .<Json>map(group ->
                                                Json.EMPTY.with("guests", Json.texts(group)))
                                        .toList()));
    }

    private static String moved(Migration.Status end) {
        Duration downtime = end.downtime();
        return "moved to %s in %d rounds%s"
                .formatted(
                        end.peer(),
                        end.rounds().number(),
                        downtime == null ? "" : ", stood still for " + downtime.toMillis() + " ms");
    }

    private static ControlReply recover(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        String name = call.one(DOMAIN);
        HostedGuest guest = service.guests().named(name);
        Migration.Status end =
                service.guests()
                        .recover(
                                name,
                                place(given(call)),
                                call.one(HOST),
                                status -> call.tell(json(status)));
        if (guest != null) {
            guest.awaitEnd();
        }
        return ControlReply.rows(List.of(moved(end))).with("migration", json(end));
    }

    private static ControlReply receive(OperatedService service, VerbCall call)
            throws Refused, InterruptedException {
        String name = service.guests().receive(place(given(call)), "another host");
        return ControlReply.rows(List.of(name + " has come"));
    }

    private static ControlReply status(OperatedService service, VerbCall call) throws Refused {
        List<Migration.Status> all = service.guests().migrations().list();
        List<String> rows = new ArrayList<>();
        for (Migration.Status one : all) {
            rows.add(row(one));
        }
        return ControlReply.rows(rows)
                .with(
                        "migrations",
                        new Json.Array(all.stream().<Json>map(MigrationCommands::json).toList()));
    }

    private static String row(Migration.Status one) {
        Migration.Rounds rounds = one.rounds();
        String row =
                "%s %s %s: %s"
                        .formatted(
                                one.guest(),
                                one.direction() == Migration.Direction.OUT ? "to" : "from",
                                one.peer(),
                                one.phase().word());
        if (rounds.number() > 0) {
            row +=
                    ", round %d, %d MiB at %d MiB/s, %d pages/s written, would stand still for %d ms%s"
                            .formatted(
                                    rounds.number(),
                                    rounds.bytes() / MIB,
                                    rounds.bytesPerSecond() / MIB,
                                    rounds.pagesPerSecond(),
                                    rounds.estimate().toMillis(),
                                    rounds.throttle() == 0
                                            ? ""
                                            : ", slowed down by " + rounds.throttle() + " %");
        }
        Migration.Disks disks = one.disks();
        if (disks.total() > 0) {
            row +=
                    ", disks: %d of %d MiB, %d MiB sent"
                            .formatted(
                                    disks.looked() / MIB, disks.total() / MIB, disks.sent() / MIB);
        }
        if (one.missing() > 0) {
            row += ", %d pages to follow".formatted(one.missing());
        }
        return one.reason().isEmpty() ? row : row + ": " + one.reason();
    }

    private static Json.Obj json(Migration.Status one) {
        Migration.Rounds rounds = one.rounds();
        Json.Obj json =
                Json.EMPTY
                        .with("id", one.id().toString())
                        .with("guest", one.guest())
                        .with("guests", Json.texts(one.guests()))
                        .with("direction", ControlProtocol.word(one.direction()))
                        .with("host", one.peer())
                        .with("phase", one.phase().word())
                        .with("round", rounds.number())
                        .with("bytes", rounds.bytes())
                        .with("bytes-per-second", rounds.bytesPerSecond())
                        .with("written-pages", rounds.written())
                        .with("written-pages-per-second", rounds.pagesPerSecond())
                        .with("estimated-downtime-ms", rounds.estimate().toMillis())
                        .with("throttle", rounds.throttle())
                        .with("disk-bytes", one.disks().total())
                        .with("disk-bytes-done", one.disks().looked())
                        .with("disk-bytes-sent", one.disks().sent())
                        .with("missing-pages", one.missing())
                        .with("reason", one.reason());
        Duration downtime = one.downtime();
        return downtime == null ? json : json.with("downtime-ms", downtime.toMillis());
    }

    private static ControlReply cancel(OperatedService service, VerbCall call) throws Refused {
        service.guests().migrations().cancel(call.one(DOMAIN));
        return ControlReply.done();
    }

    private static ControlReply resolve(OperatedService service, VerbCall call) throws Refused {
        Migration.Resolution resolution =
                switch (call.one(ACTION)) {
                    case "run" -> Migration.Resolution.RUN;
                    case "destroy" -> Migration.Resolution.DESTROY;
                    default -> throw new Refused("action: run or destroy");
                };
        service.guests().migrations().resolve(call.one(DOMAIN), resolution);
        return ControlReply.done();
    }
}
