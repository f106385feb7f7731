package io.xenemu.kvm.iohub;

import io.xenemu.kvm.ioctl.CStruct;
import io.xenemu.kvm.wire.WireException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;

/// A message between the service and a process of remote devices. `xen_iohub_wire.h` has the structures.
public sealed interface IoHubMessage {
    /// The version of the protocol.
    int VERSION = IoHubLayouts.VERSION;

    /// Lines of a guest. Each message that names one is refused from this number on.
    int PIRQS = IoHubLayouts.PIRQS;

    /// The sender's number of the request; an answer repeats it.
    int tag();

    /// How many descriptors come with it.
    default int descriptors() {
        return this instanceof SetIrqfd ? IoHubLayouts.DESCRIPTORS : 0;
    }

    /// First: the guest of which the process wants lines.
    ///
    /// @param version of the protocol
    /// @param features that the process has
    record Hello(int tag, int version, long features, int domid) implements IoHubMessage {}

    /// The process wants a line.
    ///
    /// @param pirq below [#PIRQS]
    record Connect(int tag, int pirq) implements IoHubMessage {}

    /// The process gives a line back.
    record Release(int tag, int pirq) implements IoHubMessage {}

    /// What the process has counted of a line since it was connected.
    ///
    /// @param raises how often it was let go and was raised; unsigned
    /// @param reraises how often it was raised again at the end of an interrupt; unsigned
    record Counts(int tag, int pirq, long raises, long reraises) implements IoHubMessage {}

    /// The descriptors of a line, from the service.
    record SetIrqfd(int tag, int pirq) implements IoHubMessage {}

    /// An answer.
    ///
    /// @param result 0 or a negated errno
    /// @param version of the service, if it answers [Hello]
    record Result(int tag, int result, int version, long features) implements IoHubMessage {
        public Result(int tag, int result) {
            this(tag, result, IoHubLayouts.VERSION, IoHubLayouts.FEATURES);
        }
    }

    /// Decodes a message.
    ///
    /// @param descriptors how many came with it
    /// @throws WireException if it is none, or has impossible numbers
    static IoHubMessage decode(byte[] bytes, int descriptors) throws WireException {
        if (bytes.length < IoHubLayouts.XI_HEADER.byteSize()) {
            throw new WireException("a message of " + bytes.length + " bytes");
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(bytes.length, Long.BYTES);
            MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
            CStruct header = new CStruct(memory, IoHubLayouts.XI_HEADER);
            int tag = header.getInt("tag");
            int type = Math.toIntExact(header.get("type"));
            IoHubMessage message =
                    switch (type) {
                        case IoHubLayouts.HELLO -> hello(tag, memory);
                        case IoHubLayouts.CONNECT -> new Connect(tag, line(memory));
                        case IoHubLayouts.RELEASE -> new Release(tag, line(memory));
                        case IoHubLayouts.SET_IRQFD -> new SetIrqfd(tag, line(memory));
                        case IoHubLayouts.COUNTS -> {
                            CStruct it = exactly(memory, IoHubLayouts.XI_COUNTS);
                            yield new Counts(tag, pirq(it), it.get("raises"), it.get("reraises"));
                        }
                        case IoHubLayouts.RESULT -> result(tag, memory);
                        default -> throw new WireException("a message of the unknown type " + type);
                    };
            if (descriptors != message.descriptors()) {
                throw new WireException("a message with " + descriptors + " descriptors");
            }
            return message;
        }
    }

    private static CStruct exactly(MemorySegment memory, StructLayout layout) throws WireException {
        if (memory.byteSize() != layout.byteSize()) {
            throw new WireException(
                    "%s of %d bytes".formatted(layout.name().orElse(""), memory.byteSize()));
        }
        return new CStruct(memory, layout);
    }

    private static int line(MemorySegment memory) throws WireException {
        return pirq(exactly(memory, IoHubLayouts.XI_LINE));
    }

    private static int pirq(CStruct message) throws WireException {
        long pirq = message.get("pirq");
        if (pirq >= PIRQS) {
            throw new WireException("there is no line " + pirq);
        }
        return Math.toIntExact(pirq);
    }

    private static Hello hello(int tag, MemorySegment memory) throws WireException {
        CStruct hello = exactly(memory, IoHubLayouts.XI_HELLO);
        if (hello.getInt("magic") != IoHubLayouts.MAGIC) {
            throw new WireException("it does not speak the protocol of remote devices");
        }
        return new Hello(
                tag, hello.getInt("version"), hello.get("features"), hello.getInt("domid"));
    }

    private static Result result(int tag, MemorySegment memory) throws WireException {
        CStruct result = exactly(memory, IoHubLayouts.XI_RESULT);
        int value = result.getInt("result");
        if (value > 0) {
            throw new WireException("an answer of " + value);
        }
        return new Result(tag, value, result.getInt("version"), result.get("features"));
    }

    /// Its bytes.
    default byte[] encode() {
        try (Arena arena = Arena.ofConfined()) {
            CStruct struct =
                    switch (this) {
                        case Hello(_, int version, long features, int domid) ->
                                of(arena, IoHubLayouts.XI_HELLO, IoHubLayouts.HELLO)
                                        .set("magic", IoHubLayouts.MAGIC)
                                        .set("version", version)
                                        .set("features", features)
                                        .set("domid", domid);
                        case Connect(_, int pirq) -> line(arena, IoHubLayouts.CONNECT, pirq);
                        case Release(_, int pirq) -> line(arena, IoHubLayouts.RELEASE, pirq);
                        case SetIrqfd(_, int pirq) -> line(arena, IoHubLayouts.SET_IRQFD, pirq);
                        case Counts(_, int pirq, long raises, long reraises) ->
                                of(arena, IoHubLayouts.XI_COUNTS, IoHubLayouts.COUNTS)
                                        .set("pirq", pirq)
                                        .set("raises", raises)
                                        .set("reraises", reraises);
                        case Result(_, int result, int version, long features) ->
                                of(arena, IoHubLayouts.XI_RESULT, IoHubLayouts.RESULT)
                                        .set("result", result)
                                        .set("version", version)
                                        .set("features", features);
                    };
            return struct.set("header.tag", tag()).toBytes();
        }
    }

    private static CStruct of(Arena arena, StructLayout layout, int type) {
        return CStruct.allocate(arena, layout).set("header.type", type);
    }

    private static CStruct line(Arena arena, int type, int pirq) {
        return of(arena, IoHubLayouts.XI_LINE, type).set("pirq", pirq);
    }
}
