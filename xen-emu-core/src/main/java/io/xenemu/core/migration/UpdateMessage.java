package io.xenemu.core.migration;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.time.Duration;
import java.time.Instant;

/// The messages of a live update between the old and the new process of a service. `docs/saved-state.md` has their
/// order.
public sealed interface UpdateMessage {
    /// The newest version of the messages. Version 1 had no [Socket] and no [Serving]; up to version 2, each device had
    /// one message.
    int VERSION = 3;

    /// The longest text, in bytes.
    int MAX_TEXT_BYTES = 4096;

    /// The new process begins.
    ///
    /// @param version of the messages, the newest that it knows
    /// @param program its name and version, for an operator
    record Hello(int version, String program) implements UpdateMessage {}

    /// The old process gives the RAM of a guest, which stays where it is. Its memory file comes with the message.
    ///
    /// @param guest its name
    /// @param bytes of the file
    record Ram(String guest, long bytes) implements UpdateMessage {}

    /// The old process gives a device that it serves, which stands still. Its descriptors come with the message, and
    /// with further ones if they are many.
    ///
    /// @param domain of the guest
    /// @param kind the device's directory in XenStore
    /// @param number of the device
    record Device(DomId domain, String kind, int number) implements UpdateMessage {}

    /// The old process gives descriptors of XenStore's socket: the listening one and those of its clients. It serves
    /// none of them any more. They come with the message, in the order of their numbers.
    ///
    /// @param path of the socket
    /// @param numbers of the descriptors in the old process, by which XenStore's state names them
    record Socket(String path, ImmutableIntArray numbers) implements UpdateMessage {}

    /// The old process has stopped the guests. The file with their states comes with the message: the stream of their
    /// save, whose guests have no pages and no boot files but those that are kept, and then XenStore.
    ///
    /// @param fileBytes of the file
    /// @param guests bytes of the stream; 0 if there are no guests
    /// @param storeBytes of the frames with XenStore's state
    /// @param lastDomain the last domain id that was given out in order
    /// @param stopped when the guests stopped, by the host's clock
    record States(long fileBytes, long guests, long storeBytes, int lastDomain, Instant stopped)
            implements UpdateMessage {}

    /// The new process has loaded all. It runs nothing.
    record Ready() implements UpdateMessage {}

    /// The old process runs nothing from now on, unless the new one ends without a word.
    record Go() implements UpdateMessage {}

    /// The new process runs the guests from now on.
    record Taken() implements UpdateMessage {}

    /// The new process serves its sockets, in the places of the old one's. The old one may end.
    record Serving() implements UpdateMessage {}

    /// A side gives the update up: before [Go], or the new process in place of [Taken]. The old process goes on.
    ///
    /// @param reason one line for an operator
    record Refuse(String reason) implements UpdateMessage {}

    private static long nanos(Instant time) {
        return Duration.between(Instant.EPOCH, time).toNanos();
    }

    /// Its bytes.
    default byte[] encode() {
        BodyWriter body = new BodyWriter();
        switch (this) {
            case Hello hello -> body.u8(1).u32(hello.version()).string(hello.program());
            case Ram ram -> body.u8(2).string(ram.guest()).u64(ram.bytes());
            case States states ->
                    body.u8(3)
                            .u64(states.fileBytes())
                            .u64(states.guests())
                            .u64(states.storeBytes())
                            .u16(states.lastDomain())
                            .u64(nanos(states.stopped()));
            case Device device ->
                    body.u8(8)
                            .u16(device.domain().value())
                            .string(device.kind())
                            .u32(device.number());
            case Socket socket -> {
                body.u8(9).string(socket.path()).u32(socket.numbers().length());
                socket.numbers().forEach(body::u32);
            }
            case Ready _ -> body.u8(4);
            case Go _ -> body.u8(5);
            case Taken _ -> body.u8(6);
            case Serving _ -> body.u8(10);
            case Refuse refuse -> body.u8(7).string(refuse.reason());
        }
        return body.toBytes();
    }

    /// Reads such bytes.
    ///
    /// @throws WireException if they are no message that this program knows
    static UpdateMessage decode(byte[] bytes) throws WireException {
        BodyReader body = new BodyReader(bytes);
        int type = body.u8();
        UpdateMessage message =
                switch (type) {
                    case 1 -> new Hello(body.u32(), body.string(MAX_TEXT_BYTES));
                    case 2 -> new Ram(body.string(MAX_TEXT_BYTES), body.u64());
                    case 3 ->
                            new States(
                                    body.u64(),
                                    body.u64(),
                                    body.u64(),
                                    body.u16(),
                                    Instant.EPOCH.plusNanos(body.u64()));
                    case 4 -> new Ready();
                    case 5 -> new Go();
                    case 6 -> new Taken();
                    case 8 ->
                            new Device(
                                    new DomId(body.u16()), body.string(MAX_TEXT_BYTES), body.u32());
                    case 10 -> new Serving();
                    case 9 -> new Socket(body.string(MAX_TEXT_BYTES), numbers(body));
                    case 7 -> new Refuse(body.string(MAX_TEXT_BYTES));
                    default -> throw new WireException("a message of type " + type);
                };
        body.end();
        return message;
    }

    private static ImmutableIntArray numbers(BodyReader body) throws WireException {
        int count = body.count(MessageSocket.MAX_DESCRIPTORS);
        ImmutableIntArray.Builder numbers = ImmutableIntArray.builder(count);
        for (int i = 0; i < count; i++) {
            numbers.add(body.u32());
        }
        return numbers.build();
    }
}
