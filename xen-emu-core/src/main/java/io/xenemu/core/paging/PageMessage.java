package io.xenemu.core.paging;

import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// A message between a service and its page server. Both are of one version: the service starts the server.
sealed interface PageMessage {
    /// The most mappings of a guest's RAM: two for each of its slots, and one more.
    int MAX_MAPPINGS = 64;

    /// The longest name or reason, in bytes.
    int MAX_TEXT_BYTES = 4096;

    int ADD = 1;
    int DROP = 2;
    int DONE = 3;
    int FAILED = 4;
    int DROPPED = 5;
    int BRING_ALL = 6;
    int SHARE = 7;
    int UNSHARE = 8;
    int NOT_SHARED = 9;
    int JOIN = 10;
    int RUNNING = 11;
    int LOST = 12;
    int NEED = 13;
    int PAGE = 14;

    /// The longest content of a page, in bytes.
    int MAX_PAGE_BYTES = Math.toIntExact(GuestMemory.PAGE_SIZE);

    /// The number that the service has given the guest.
    int guest();

    /// To the server: serve a guest. Three descriptors come with it: its userfaultfd; the file with its pages, or the
    /// bits of those that another host has; the bits of those that are there
    /// ([io.xenemu.kvm.memory.PresentPages]).
    ///
    /// @param guest a number
    /// @param name for messages to an operator
    /// @param kind where its pages come from
    /// @param start of the pages in the file; for those of another host, whether there was a connection already
    /// @param total the number of pages
    /// @param mappings of the RAM in the service, the first of all pages
    record Add(
            int guest,
            String name,
            PageOrigin.Kind kind,
            long start,
            long total,
            List<MappedRam> mappings)
            implements PageMessage {
        public Add {
            mappings = List.copyOf(mappings);
        }
    }

    /// To the server: serve another process that shares a guest's memory. Two descriptors come with it: its
    /// userfaultfd, and one whose other end the process holds: when that is closed, the process has gone.
    ///
    /// @param sharer a number, for this guest
    /// @param name of the process, for messages to an operator
    /// @param mappings of the RAM in it
    record Share(int guest, int sharer, String name, List<MappedRam> mappings)
            implements PageMessage {
        public Share {
            mappings = List.copyOf(mappings);
        }
    }

    /// To the server: do not serve a process any more.
    record Unshare(int guest, int sharer) implements PageMessage {}

    /// To the service: a process that shares a guest's memory is not served any more.
    ///
    /// @param reason for an operator
    record NotShared(int guest, int sharer, String reason) implements PageMessage {}

    /// To the server: the pages of a guest come over a new connection, whose descriptor comes with it.
    ///
    /// @param link its number
    record Join(int guest, int link) implements PageMessage {}

    /// To the server: tell the other host that the guest runs.
    record Running(int guest) implements PageMessage {}

    /// To the service: a connection is lost.
    ///
    /// @param link its number
    /// @param reason for an operator
    record Lost(int guest, int link, String reason) implements PageMessage {}

    /// To the service: a thread waits for a page of another host, before there was a connection.
    record Need(int guest, int page) implements PageMessage {}

    /// To the server: a page that the service has got from the other host.
    ///
    /// @param content of the page; empty for zeros
    record Page(int guest, int page, ByteBuffer content) implements PageMessage {}

    /// To the server: bring a guest all pages, also those that it shares with others. The answer is [Done].
    record BringAll(int guest) implements PageMessage {}

    /// To the server: let a guest go. The answer is [Dropped].
    record Drop(int guest) implements PageMessage {}

    /// To the service: all pages of the guest that the file has are there.
    ///
    /// @param link the number of the connection on which the other host was told; 0 if it was not
    record Done(int guest, int link) implements PageMessage {}

    /// To the service: further pages of a guest cannot be brought.
    ///
    /// @param reason for an operator
    record Failed(int guest, String reason) implements PageMessage {}

    /// To the service: the server does not touch the guest's memory any more.
    record Dropped(int guest) implements PageMessage {}

    /// The message's bytes.
    default byte[] encode() {
        BodyWriter body = new BodyWriter();
        switch (this) {
            case Add(
                            int guest,
                            String name,
                            PageOrigin.Kind kind,
                            long start,
                            long total,
                            List<MappedRam> mappings) -> {
                body.u8(ADD).u32(guest).string(name).u8(code(kind)).u64(start).u64(total);
                put(body, mappings);
            }
            case Share(int guest, int sharer, String name, List<MappedRam> mappings) ->
                    put(body.u8(SHARE).u32(guest).u32(sharer).string(name), mappings);
            case Join(int guest, int link) -> body.u8(JOIN).u32(guest).u32(link);
            case Running(int guest) -> body.u8(RUNNING).u32(guest);
            case Lost(int guest, int link, String reason) ->
                    body.u8(LOST).u32(guest).u32(link).string(reason);
            case Unshare(int guest, int sharer) -> body.u8(UNSHARE).u32(guest).u32(sharer);
            case NotShared(int guest, int sharer, String reason) ->
                    body.u8(NOT_SHARED).u32(guest).u32(sharer).string(reason);
            case Need(int guest, int page) -> body.u8(NEED).u32(guest).u32(page);
            case Page(int guest, int page, ByteBuffer content) -> {
                byte[] bytes = new byte[content.remaining()];
                content.duplicate().get(bytes);
                body.u8(PAGE).u32(guest).u32(page).bytes(bytes);
            }
            case BringAll(int guest) -> body.u8(BRING_ALL).u32(guest);
            case Drop(int guest) -> body.u8(DROP).u32(guest);
            case Done(int guest, int link) -> body.u8(DONE).u32(guest).u32(link);
            case Failed(int guest, String reason) -> body.u8(FAILED).u32(guest).string(reason);
            case Dropped(int guest) -> body.u8(DROPPED).u32(guest);
        }
        return body.toBytes();
    }

    /// The message of some bytes.
    ///
    /// @throws WireException if they are none
    static PageMessage decode(byte[] bytes) throws WireException {
        BodyReader body = new BodyReader(bytes);
        int type = body.u8();
        int guest = body.u32();
        PageMessage message =
                switch (type) {
                    case ADD ->
                            new Add(
                                    guest,
                                    body.string(MAX_TEXT_BYTES),
                                    kind(body.u8()),
                                    body.u64(),
                                    body.u64(),
                                    mappings(body));
                    case SHARE ->
                            new Share(
                                    guest, body.u32(), body.string(MAX_TEXT_BYTES), mappings(body));
                    case JOIN -> new Join(guest, body.u32());
                    case RUNNING -> new Running(guest);
                    case LOST -> new Lost(guest, body.u32(), body.string(MAX_TEXT_BYTES));
                    case UNSHARE -> new Unshare(guest, body.u32());
                    case NOT_SHARED ->
                            new NotShared(guest, body.u32(), body.string(MAX_TEXT_BYTES));
                    case NEED -> new Need(guest, body.u32());
                    case PAGE ->
                            new Page(
                                    guest, body.u32(), ByteBuffer.wrap(body.bytes(MAX_PAGE_BYTES)));
                    case BRING_ALL -> new BringAll(guest);
                    case DROP -> new Drop(guest);
                    case DONE -> new Done(guest, body.u32());
                    case FAILED -> new Failed(guest, body.string(MAX_TEXT_BYTES));
                    case DROPPED -> new Dropped(guest);
                    default -> throw new WireException("unknown message " + type);
                };
        body.end();
        return message;
    }

    private static int code(PageOrigin.Kind kind) {
        return switch (kind) {
            case FILE -> 0;
            case SHARED_FILE -> 1;
            case PEER -> 2;
        };
    }

    private static PageOrigin.Kind kind(int code) throws WireException {
        return switch (code) {
            case 0 -> PageOrigin.Kind.FILE;
            case 1 -> PageOrigin.Kind.SHARED_FILE;
            case 2 -> PageOrigin.Kind.PEER;
            default -> throw new WireException("unknown origin of pages " + code);
        };
    }

    private static void put(BodyWriter body, List<MappedRam> mappings) {
        body.u32(mappings.size());
        for (MappedRam mapped : mappings) {
            body.u64(mapped.address()).u64(mapped.pages()).u64(mapped.first());
        }
    }

    private static List<MappedRam> mappings(BodyReader body) throws WireException {
        int count = body.count(MAX_MAPPINGS);
        List<MappedRam> mappings = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            mappings.add(new MappedRam(body.u64(), body.u64(), body.u64()));
        }
        return mappings;
    }
}
