package io.xenemu.core.migration;

import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;

/// The messages of a migration, in both directions, before and after the guest's stream. `docs/saved-state.md` has
/// their order.
public sealed interface MigrationMessage {
    /// The newest version of the messages, and of streams of guests that run.
    int VERSION = 6;

    /// The first version that says what a guest needs, and what was looked at.
    int WITH_NEEDS = 2;

    /// The first version in which pages may follow a guest: a source says it for such a migration alone.
    int WITH_POST_COPY = 3;

    /// The first version in which several guests may move together: a source says it for such a migration alone.
    int WITH_OTHERS = 4;

    /// The first version in which the content of disks may go with guests: a source says it for such a migration alone.
    int WITH_STORAGE = 5;

    /// The first version in which pages may go over several connections: a source says it for such a migration alone.
    int WITH_STREAMS = 6;

    /// The most connections of a migration: more than a host has fast network cards.
    int MAX_STREAMS = 16;

    /// The most guests that move together: a program that looks at all of them stands between them.
    int MAX_TOGETHER = 32;

    /// More devices than a guest can use.
    int MAX_DEVICES = 4096;

    /// The longest account of what a destination has looked at, in bytes.
    int MAX_CHECKED_BYTES = 64 << 10;

    /// The longest text, in bytes.
    int MAX_TEXT_BYTES = 4096;

    /// The numbers of the types.
    int HELLO = 1;

    int ACCEPT = 2;
    int REFUSE = 3;
    int READY = 4;
    int GO = 5;
    int RUNNING = 6;
    int RECOVER = 7;
    int STORED = 8;
    int NEED = 9;
    int PAGE = 10;
    int JOIN = 11;

    /// The token where no further connection is expected.
    UUID NO_TOKEN = new UUID(0, 0);

    /// The source begins: which guest it is, and what it needs.
    ///
    /// @param version of the messages, the newest that the source knows
    /// @param migration names this attempt in the records of both sides
    /// @param guest in short
    /// @param configVersion of the layout of `config`
    /// @param config the domain's configuration with the processor that it was offered, in a layout that this package
    ///     does not know
    /// @param onlyAsks whether nothing follows the answer
    /// @param needs what the destination has to have
    /// @param others the guests that move with this one, in the order of the stream
    /// @param streams the number of connections for its pages, with this one
    record Hello(
            int version,
            UUID migration,
            GuestSummary guest,
            int configVersion,
            BodyBytes config,
            boolean onlyAsks,
            Needs needs,
            List<Comer> others,
            int streams)
            implements MigrationMessage {
        public Hello {
            others = List.copyOf(others);
        }

        /// Over one connection.
        public Hello(
                int version,
                UUID migration,
                GuestSummary guest,
                int configVersion,
                BodyBytes config,
                boolean onlyAsks,
                Needs needs,
                List<Comer> others) {
            this(version, migration, guest, configVersion, config, onlyAsks, needs, others, 1);
        }

        /// All guests, in the order of the stream.
        public List<Comer> all() {
            List<Comer> all = new ArrayList<>();
            all.add(new Comer(guest, configVersion, config, needs));
            all.addAll(others);
            return all;
        }

        /// Whether the content of disks goes with any of them.
        public boolean hasCopies() {
            return all().stream().anyMatch(comer -> !comer.needs().copies().isEmpty());
        }

        /// Whether pages of the guest may follow it.
        public boolean pagesFollow() {
            return version == WITH_POST_COPY;
        }
    }

    /// A guest that is to come: as in [Hello].
    record Comer(GuestSummary guest, int configVersion, BodyBytes config, Needs needs) {}

    /// What a guest needs at the destination.
    ///
    /// @param tscKhz the frequency of its time stamp counter; 0 if it is not known
    /// @param overcommit whether it comes even if the memory for it is not there
    /// @param trustsStorage whether the operator answers for it that both sides see the same disks
    /// @param devices each device that the service serves, in a layout that this package does not know
    /// @param replacesStorage whether a copy of a disk takes the place of a file that is there
    /// @param copies the disks whose content goes with the guest, in the order of the stream
    record Needs(
            int tscKhz,
            boolean overcommit,
            boolean trustsStorage,
            List<BodyBytes> devices,
            boolean replacesStorage,
            List<Copy> copies) {
        /// Nothing is said.
        public static final Needs UNKNOWN = new Needs(0, true, true, List.of());

        public Needs {
            devices = List.copyOf(devices);
            copies = List.copyOf(copies);
        }

        /// Without disks whose content goes with the guest.
        public Needs(
                int tscKhz, boolean overcommit, boolean trustsStorage, List<BodyBytes> devices) {
            this(tscKhz, overcommit, trustsStorage, devices, false, List.of());
        }
    }

    /// A disk whose content goes with the guest.
    ///
    /// @param device its place among the devices
    /// @param bytes that its file takes at the source now, without its holes
    record Copy(int device, long bytes) {}

    /// The destination can take the guest as far as it can know; the stream follows.
    ///
    /// @param version that both sides use
    /// @param program of the destination, for an operator
    /// @param checked lines that tell an operator what the destination has looked at
    /// @param token that further connections show; no bits from a destination that expects none
    record Accept(int version, String program, String checked, UUID token)
            implements MigrationMessage {
        /// Without further connections.
        public Accept(int version, String program, String checked) {
            this(version, program, checked, NO_TOKEN);
        }
    }

    /// A side gives the migration up. The guest is or goes on at the source.
    ///
    /// @param reason one line for an operator
    record Refuse(String reason) implements MigrationMessage {}

    /// The destination has loaded and checked everything. It does not run the guest.
    record Ready() implements MigrationMessage {}

    /// The source has decided, and does not run the guest again: the destination runs it.
    record Go() implements MigrationMessage {}

    /// The destination runs the guest.
    record Running() implements MigrationMessage {}

    /// The source of a guest that runs at the destination connects again, so that its pages go on to follow.
    ///
    /// @param migration that has lost its connection
    record Recover(UUID migration) implements MigrationMessage {}

    /// The destination has what a round had of a guest's disks on its storage. So the source knows how fast that is,
    /// and that little is left when the guest stands still.
    ///
    /// @param round its number
    record Stored(int round) implements MigrationMessage {}

    /// The destination needs a page that is to follow, before it is ready.
    record Need(int page) implements MigrationMessage {}

    /// The source sends a page that the destination needs.
    ///
    /// @param content of the page; empty for zeros
    record Page(int page, ByteBuffer content) implements MigrationMessage {}

    /// Bytes of a message.
    ///
    /// @param hex two digits for each
    record BodyBytes(String hex) {
        /// The bytes that a writer has.
        public static BodyBytes of(BodyWriter body) {
            return of(body.toBytes());
        }

        private static BodyBytes of(byte[] bytes) {
            return new BodyBytes(HexFormat.of().formatHex(bytes));
        }

        /// Reads them, from the beginning.
        public BodyReader reader() {
            return new BodyReader(bytes());
        }

        private byte[] bytes() {
            return HexFormat.of().parseHex(hex);
        }
    }

    /// A further connection of a source begins. [Accept] or [Refuse] answers.
    ///
    /// @param token that the destination has given to the source
    /// @param stream its number, of which the main connection is 1
    record Join(UUID token, int stream) implements MigrationMessage {}

    /// The number of its type.
    default int type() {
        return switch (this) {
            case Hello _ -> HELLO;
            case Accept _ -> ACCEPT;
            case Refuse _ -> REFUSE;
            case Ready _ -> READY;
            case Go _ -> GO;
            case Running _ -> RUNNING;
            case Recover _ -> RECOVER;
            case Stored _ -> STORED;
            case Need _ -> NEED;
            case Page _ -> PAGE;
            case Join _ -> JOIN;
        };
    }

    /// Its body.
    default BodyWriter body() {
        BodyWriter body = new BodyWriter();
        return switch (this) {
            case Hello hello -> hello(body, hello);
            case Accept accept -> accept(body, accept);
            case Refuse refuse -> body.string(refuse.reason());
            case Recover(UUID id) -> uuid(body, id);
            case Join(UUID token, int stream) -> uuid(body, token).u32(stream);
            case Stored(int round) -> body.u32(round);
            case Need(int page) -> body.u32(page);
            case Page(int page, ByteBuffer content) -> {
                byte[] bytes = new byte[content.remaining()];
                content.duplicate().get(bytes);
                yield body.u32(page).bytes(bytes);
            }
            case Ready _, Go _, Running _ -> body;
        };
    }

    private static BodyWriter hello(BodyWriter body, Hello hello) {
        uuid(body.u32(hello.version()), hello.migration());
        guest(body, hello.guest(), hello.configVersion(), hello.config());
        body.bool(hello.onlyAsks());
        if (hello.version() >= WITH_NEEDS) {
            needs(body, hello.version(), hello.needs());
        }
        if (hello.version() >= WITH_OTHERS) {
            body.u32(hello.others().size());
            for (Comer other : hello.others()) {
                guest(body, other.guest(), other.configVersion(), other.config());
                needs(body, hello.version(), other.needs());
            }
        }
        return hello.version() >= WITH_STREAMS ? body.u32(hello.streams()) : body;
    }

    private static BodyWriter uuid(BodyWriter body, UUID id) {
        return body.u64(id.getMostSignificantBits()).u64(id.getLeastSignificantBits());
    }

    private static UUID readUuid(BodyReader body) throws WireException {
        return new UUID(body.u64(), body.u64());
    }

    private static void guest(
            BodyWriter body, GuestSummary guest, int configVersion, BodyBytes config) {
        body.bytes(guest.encode().toBytes()).u32(configVersion).bytes(config.bytes());
    }

    private static void needs(BodyWriter body, int version, Needs needs) {
        body.u32(needs.tscKhz())
                .bool(needs.overcommit())
                .bool(needs.trustsStorage())
                .u32(needs.devices().size());
        needs.devices().forEach(device -> body.bytes(device.bytes()));
        if (version >= WITH_STORAGE) {
            body.bool(needs.replacesStorage()).u32(needs.copies().size());
            needs.copies().forEach(copy -> body.u32(copy.device()).u64(copy.bytes()));
        }
    }

    private static BodyWriter accept(BodyWriter body, Accept accept) {
        body.u32(accept.version()).string(accept.program());
        if (accept.version() >= WITH_NEEDS) {
            body.string(accept.checked());
        }
        return accept.version() >= WITH_STREAMS ? uuid(body, accept.token()) : body;
    }

    /// The longest body of a message of a type, in bytes: nobody waits for more.
    static int longestBody(int type) {
        return switch (type) {
            case HELLO -> MigrationLink.MAX_BODY_BYTES;
            case ACCEPT -> 3 * Integer.BYTES + MAX_TEXT_BYTES + MAX_CHECKED_BYTES + 2 * Long.BYTES;
            case JOIN -> 2 * Long.BYTES + Integer.BYTES;
            case REFUSE -> 2 * Integer.BYTES + MAX_TEXT_BYTES;
            case RECOVER -> 2 * Long.BYTES;
            case STORED -> Integer.BYTES;
            case NEED -> Integer.BYTES;
            case PAGE -> 2 * Integer.BYTES + SaveFormat.PAGE;
            default -> 0;
        };
    }

    /// Reads a message.
    ///
    /// @param type its number
    /// @throws WireException if it is none that this program knows
    static MigrationMessage read(int type, BodyReader body) throws WireException {
        MigrationMessage message =
                switch (type) {
                    case HELLO -> readHello(body);
                    case ACCEPT -> readAccept(body);
                    case REFUSE -> new Refuse(body.string(MAX_TEXT_BYTES));
                    case READY -> new Ready();
                    case GO -> new Go();
                    case RUNNING -> new Running();
                    case RECOVER -> new Recover(readUuid(body));
                    case JOIN -> new Join(readUuid(body), body.count(MAX_STREAMS));
                    case STORED -> new Stored(body.u32());
                    case NEED -> new Need(body.count(Integer.MAX_VALUE));
                    case PAGE ->
                            new Page(
                                    body.count(Integer.MAX_VALUE),
                                    ByteBuffer.wrap(body.bytes(SaveFormat.PAGE)));
                    default ->
                            throw new WireException(
                                    "a message of type " + Integer.toUnsignedString(type));
                };
        body.end();
        return message;
    }

    private static Hello readHello(BodyReader body) throws WireException {
        int version = body.u32();
        UUID migration = readUuid(body);
        GuestSummary guest = readSummary(body);
        int configVersion = body.u32();
        BodyBytes config = readBytes(body);
        boolean onlyAsks = body.bool();
        Needs needs =
                version >= WITH_NEEDS && version <= VERSION
                        ? readNeeds(version, body)
                        : Needs.UNKNOWN;
        List<Comer> others = new ArrayList<>();
        if (version >= WITH_OTHERS && version <= VERSION) {
            for (int left = body.count(MAX_TOGETHER - 1); left > 0; left--) {
                others.add(
                        new Comer(
                                readSummary(body),
                                body.u32(),
                                readBytes(body),
                                readNeeds(version, body)));
            }
        }
        int streams = 1;
        if (version >= WITH_STREAMS && version <= VERSION) {
            streams = body.count(MAX_STREAMS);
            if (streams == 0) {
                throw new WireException("a migration without a connection");
            }
        }
        if (version > VERSION) {
            // It is refused by its number, whatever else it has.
            body.skipAll();
        }
        return new Hello(
                version, migration, guest, configVersion, config, onlyAsks, needs, others, streams);
    }

    private static GuestSummary readSummary(BodyReader body) throws WireException {
        return GuestSummary.decode(new BodyReader(body.bytes(MigrationLink.MAX_BODY_BYTES)));
    }

    private static BodyBytes readBytes(BodyReader body) throws WireException {
        return BodyBytes.of(body.bytes(MigrationLink.MAX_BODY_BYTES));
    }

    private static Needs readNeeds(int version, BodyReader body) throws WireException {
        int tscKhz = body.count(Integer.MAX_VALUE);
        boolean overcommit = body.bool();
        boolean trustsStorage = body.bool();
        List<BodyBytes> devices = new ArrayList<>();
        for (int left = body.count(MAX_DEVICES); left > 0; left--) {
            devices.add(BodyBytes.of(body.bytes(MigrationLink.MAX_BODY_BYTES)));
        }
        if (version < WITH_STORAGE) {
            return new Needs(tscKhz, overcommit, trustsStorage, devices);
        }
        boolean replacesStorage = body.bool();
        List<Copy> copies = new ArrayList<>();
        int last = -1;
        for (int left = body.count(SaveFormat.MAX_DISKS); left > 0; left--) {
            int device = body.count(Integer.MAX_VALUE);
            long bytes = body.u64();
            if (device <= last || device >= devices.size() || bytes < 0) {
                throw new WireException("a disk to be copied that is none");
            }
            last = device;
            copies.add(new Copy(device, bytes));
        }
        return new Needs(tscKhz, overcommit, trustsStorage, devices, replacesStorage, copies);
    }

    private static Accept readAccept(BodyReader body) throws WireException {
        int version = body.u32();
        return new Accept(
                version,
                body.string(MAX_TEXT_BYTES),
                version >= WITH_NEEDS ? body.string(MAX_CHECKED_BYTES) : "",
                version >= WITH_STREAMS ? readUuid(body) : NO_TOKEN);
    }
}
