package io.xenemu.xenstore.request;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.metrics.RequestMetrics;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.store.Session;
import io.xenemu.xenstore.store.Watch;
import io.xenemu.xenstore.store.XenStore;
import io.xenemu.xenstore.tree.Children;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.wire.MessageHeader;
import io.xenemu.xenstore.wire.MessageType;
import io.xenemu.xenstore.wire.Request;
import io.xenemu.xenstore.wire.RequestDecoder;
import io.xenemu.xenstore.wire.WireError;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Handles one message and queues its reply. A session's own watch events come before the reply to the request that
/// caused them, as in C xenstored. Only the reply to WATCH comes before its first event.
public final class RequestHandler {
    private static final Logger log = LoggerFactory.getLogger(RequestHandler.class);
    private static final byte[] OK = ascii("OK\0");
    private static final byte[] TRUE = ascii("T\0");
    private static final byte[] FALSE = ascii("F\0");

    private final XenStore store;
    private final DomainRequests domainRequests;
    private final ControlCommands control;

    /// Handles requests to a store.
    ///
    /// @param domainRequests handles INTRODUCE and RELEASE
    public RequestHandler(XenStore store, DomainRequests domainRequests) {
        this.store = store;
        this.domainRequests = domainRequests;
        this.control = new ControlCommands(store);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    /// Handles one complete message and queues the reply.
    ///
    /// @param message private memory with header and payload at `at`
    /// @param metrics counts the request
    /// @return the error that was answered; null if there was none
    public @Nullable XenError handle(
            Session session, ReplyQueue output, byte[] message, int at, RequestMetrics metrics) {
        long start = System.nanoTime();
        MessageType type = MessageType.of(MessageHeader.type(message, at));
        int request = MessageHeader.requestId(message, at);
        int transaction = MessageHeader.transactionId(message, at);
        int payload = at + MessageHeader.SIZE;
        XenError error = null;
        try {
            if (type == null) {
                throw XenError.ENOSYS;
            }
            checkPrivilege(session, type);
            checkTransaction(session, transaction, type);
            Request decoded =
                    RequestDecoder.decode(
                            type,
                            message,
                            payload,
                            payload + MessageHeader.length(message, at),
                            session.home());
            answer(session, output, request, transaction, decoded);
        } catch (XenError e) {
            error = e;
            output.reply(MessageType.ERROR, request, transaction, WireError.payload(e));
        }
        if (control.isLogging()) {
            log.info(
                    "{} {} tx {}: {}",
                    session.caller().domain(),
                    type,
                    Integer.toUnsignedString(transaction),
                    error == null ? "ok" : error.symbol());
        }
        session.changed();
        metrics.handled(type, error, System.nanoTime() - start);
        return error;
    }

    private static void checkPrivilege(Session session, MessageType type) throws XenError {
        if (session.caller().isPrivileged()) {
            return;
        }
        switch (type) {
            case CONTROL,
                    INTRODUCE,
                    RELEASE,
                    RESUME,
                    IS_DOMAIN_INTRODUCED,
                    SET_TARGET,
                    SET_FEATURE,
                    GET_QUOTA,
                    SET_QUOTA ->
                    throw XenError.EACCES;
            default -> {}
        }
    }

    /// Checks that the transaction exists. As in C xenstored, every request with an unknown transaction fails, except
    /// those on watches.
    private static void checkTransaction(Session session, int transaction, MessageType type)
            throws XenError {
        if (transaction == 0) {
            return;
        }
        switch (type) {
            case WATCH, UNWATCH, WATCH_EVENT, ERROR -> {}
            default -> {
                if (session.transaction(transaction) == null) {
                    throw XenError.ENOENT;
                }
            }
        }
    }

    private void answer(Session session, ReplyQueue output, int id, int tx, Request request)
            throws XenError {
        byte[] payload =
                switch (request) {
                    case Request.Read(Path path) -> store.read(session, tx, path);
                    case Request.Directory(Path path) ->
                            names(store.directory(session, tx, path).children());
                    case Request.DirectoryPart(Path path, int offset) ->
                            part(store.directory(session, tx, path), offset);
                    case Request.GetPerms(Path path) ->
                            store.permissions(session, tx, path).encode();
                    case Request.Change change -> {
                        store.change(session, tx, change);
                        yield OK;
                    }
                    case Request.TransactionStart() ->
                            ascii(
                                    Integer.toUnsignedString(store.startTransaction(session, tx))
                                            + "\0");
                    case Request.TransactionEnd(boolean commit) -> {
                        store.endTransaction(session, tx, commit);
                        yield OK;
                    }
                    case Request.Watch set -> {
                        Watch watch = store.watch(session, set);
                        output.reply(MessageType.WATCH, id, tx, OK);
                        watch.fire(set.path());
                        yield null; // has been answered
                    }
                    case Request.Unwatch(Path path, byte[] token) -> {
                        store.unwatch(session, path, token);
                        yield OK;
                    }
                    case Request.ResetWatches() -> {
                        store.reset(session);
                        yield OK;
                    }
                    case Request.GetDomainPath(DomId domain) -> ascii(Path.ofDomain(domain) + "\0");
                    case Request.IsDomainIntroduced(DomId domain) ->
                            store.introduced().contains(domain) ? TRUE : FALSE;
                    case Request.Introduce introduce -> {
                        domainRequests.introduce(introduce);
                        yield OK;
                    }
                    case Request.Release(DomId domain) -> {
                        domainRequests.release(domain);
                        yield OK;
                    }
                    case Request.Resume(DomId domain) -> {
                        store.introduced().resume(domain);
                        yield OK;
                    }
                    case Request.SetTarget(DomId domain, DomId target) -> {
                        store.introduced().setTarget(domain, target);
                        yield OK;
                    }
                    case Request.GetFeature(var domain) -> ascii(features(session, domain) + "\0");
                    case Request.SetFeature(DomId domain, int features) -> {
                        setFeatures(domain, features);
                        yield OK;
                    }
                    case Request.GetQuota(var domain, var quota) ->
                            ascii(
                                    (quota == null
                                                    ? quotaNames()
                                                    : store.accounts().limit(domain, quota))
                                            + "\0");
                    case Request.SetQuota(var domain, String quota, int value) -> {
                        store.accounts().setLimit(domain, quota, value);
                        yield OK;
                    }
                    case Request.Control command -> control.run(command);
                };
        reply(output, request.type(), id, tx, payload);
    }

    /// Without a domain, the caller's own features.
    private int features(Session session, @Nullable DomId domain) throws XenError {
        if (domain == null) {
            return session.account().features();
        }
        if (!session.caller().isPrivileged()) {
            throw XenError.EACCES;
        }
        return store.accounts().features(domain);
    }

    /// Sets a domain's features; only before its introduction, when they are written to the ring's page.
    private void setFeatures(DomId domain, int features) throws XenError {
        if (store.introduced().contains(domain)) {
            throw XenError.EBUSY;
        }
        store.accounts().setFeatures(domain, features);
    }

    private static String quotaNames() {
        return Quota.all().stream().map(Quota::text).collect(Collectors.joining(" "));
    }

    private static void reply(
            ReplyQueue output, MessageType type, int id, int tx, byte @Nullable [] payload)
            throws XenError {
        if (payload == null) {
            return;
        }
        if (payload.length > MessageHeader.PAYLOAD_MAX) {
            throw XenError.E2BIG;
        }
        output.reply(type, id, tx, payload);
    }

    private static byte[] names(Children children) throws XenError {
        if (children.listingLength() > MessageHeader.PAYLOAD_MAX) {
            throw XenError.E2BIG; // a client reads long directories by DIRECTORY_PART
        }
        return children.listing();
    }

    /// The generation, then as many whole names from `offset` on as fit; an empty name ends the list.
    private static byte[] part(Node node, int from) {
        Children children = node.children();
        byte[] generation = ascii(node.generation() + "\0");
        int offset = Math.min(from, children.listingLength());
        int room = MessageHeader.PAYLOAD_MAX - generation.length - 1;
        boolean last = children.listingLength() - offset <= room;
        byte[] names = children.listing(offset, last ? children.listingLength() : offset + room);
        int length = names.length;
        while (!last && length > 0 && names[length - 1] != 0) {
            length--;
        }
        byte[] payload = Arrays.copyOf(generation, generation.length + length + (last ? 1 : 0));
        System.arraycopy(names, 0, payload, generation.length, length);
        return payload;
    }
}
