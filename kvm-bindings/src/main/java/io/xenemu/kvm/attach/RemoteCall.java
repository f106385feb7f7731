package io.xenemu.kvm.attach;

import io.xenemu.kvm.ioctl.CStruct;
import io.xenemu.kvm.ioctl.CTypes;
import io.xenemu.kvm.ioctl.KvmDescriptor.Link;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/// An ioctl that another process carries out: `struct xa_call`, and the bytes that belong to it. They are the
/// structure, and then what its addresses point to.
final class RemoteCall {
    private static final long LINK = CTypes.offset(AttachLayouts.XA_CALL, "link");
    private static final long LINK_BYTES = AttachLayouts.XA_LINK.byteSize();

    private RemoteCall() {}

    /// How many bytes belong to a call.
    ///
    /// @throws IllegalArgumentException for too many links
    static long bytes(MemorySegment argument, Link... links) {
        if (links.length > AttachLayouts.MAX_LINKS) {
            throw new IllegalArgumentException(links.length + " links in a structure");
        }
        long bytes = aligned(argument.byteSize());
        for (Link link : links) {
            if (link instanceof Link.Address(_, MemorySegment memory)) {
                bytes += aligned(memory.byteSize());
            }
        }
        return bytes;
    }

    private static long aligned(long bytes) {
        return (bytes + Long.BYTES - 1) & -Long.BYTES;
    }

    /// Writes a call with a number.
    static void write(CStruct call, long request, long value) {
        call.set("request", request)
                .set("kind", AttachLayouts.VALUE)
                .set("value", value)
                .set("bytes", 0)
                .set("links", 0);
    }

    /// Writes a call with a structure.
    ///
    /// @param data gets [#bytes] bytes
    static void write(
            CStruct call, MemorySegment data, long request, MemorySegment argument, Link... links) {
        call.set("request", request)
                .set(
                        "kind",
                        argument.equals(MemorySegment.NULL)
                                ? AttachLayouts.VALUE
                                : AttachLayouts.STRUCT)
                .set("value", 0)
                .set("bytes", bytes(argument, links))
                .set("links", links.length);
        data.asSlice(0, argument.byteSize()).copyFrom(argument);
        long at = aligned(argument.byteSize());
        int descriptors = 0;
        for (int i = 0; i < links.length; i++) {
            CStruct link =
                    new CStruct(
                            call.memory().asSlice(LINK + i * LINK_BYTES, LINK_BYTES),
                            AttachLayouts.XA_LINK);
            link.set("at", links[i].at());
            switch (links[i]) {
                case Link.Address(_, MemorySegment memory) -> {
                    boolean isNull = memory.equals(MemorySegment.NULL);
                    link.set("kind", AttachLayouts.ADDRESS)
                            .set("target", isNull ? 0 : at)
                            .set("bytes", memory.byteSize());
                    data.asSlice(at, memory.byteSize()).copyFrom(memory);
                    at += aligned(memory.byteSize());
                }
                case Link.Descriptor _ ->
                        link.set("kind", AttachLayouts.DESCRIPTOR)
                                .set("target", descriptors++)
                                .set("bytes", 0);
            }
        }
    }

    /// Takes over what a call has changed.
    ///
    /// @param data of the call, as it came back
    static void readBack(MemorySegment data, MemorySegment argument, Link... links) {
        byte[][] kept =
                Arrays.stream(links)
                        .map(link ->
                                argument.asSlice(link.at(), kept(link))
                                        .toArray(ValueLayout.JAVA_BYTE))
                        .toArray(byte[][]::new);
        if (!argument.isReadOnly()) {
            argument.copyFrom(data.asSlice(0, argument.byteSize()));
        }
        long at = aligned(argument.byteSize());
        for (int i = 0; i < links.length; i++) {
            // Addresses and descriptors of the other process mean nothing here.
            MemorySegment.copy(
                    MemorySegment.ofArray(kept[i]), 0, argument, links[i].at(), kept[i].length);
            if (links[i] instanceof Link.Address(_, MemorySegment memory)) {
                memory.copyFrom(data.asSlice(at, memory.byteSize()));
                at += aligned(memory.byteSize());
            }
        }
    }

    private static long kept(Link link) {
        return link instanceof Link.Address ? Long.BYTES : Integer.BYTES;
    }
}
