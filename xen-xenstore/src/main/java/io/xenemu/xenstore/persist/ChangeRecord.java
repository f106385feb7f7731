package io.xenemu.xenstore.persist;

import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.tree.TreeDifference;
import io.xenemu.xenstore.wire.MessageHeader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// The body of a record: changes that become visible together.
///
/// Each change is a kind (u8) and its fields: 1, a node: path, value, permissions, ordinal u64, generation u64; 2, a
/// removed node: path; 3, permissions of `@introduceDomain`, then of `@releaseDomain`. A length (u32) precedes each
/// byte string; paths and permissions are as on the wire; all numbers are little-endian.
final class ChangeRecord implements TreeDifference.Changes {
    private static final int NODE = 1;
    private static final int REMOVED = 2;
    private static final int SPECIAL = 3;
    private static final int FIRST_BYTES = 1024;

    /// Receives the bodies into which a large difference may be cut.
    @FunctionalInterface
    interface Chunks {
        /// Takes one body.
        ///
        /// @param body valid during the call
        void add(ByteBuffer body) throws IOException;
    }

    private final @Nullable Chunks chunks;
    private final int chunkBytes;
    private ByteBuffer body = ByteBuffer.allocate(FIRST_BYTES).order(ByteOrder.LITTLE_ENDIAN);

    private ChangeRecord(@Nullable Chunks chunks, int chunkBytes) {
        this.chunks = chunks;
        this.chunkBytes = chunkBytes;
    }

    /// The changes from one image to another, as one body; empty if there are none.
    static ByteBuffer between(StoreImage before, StoreImage after) {
        return between(before, after, false);
    }

    /// The changes from one image to another, as one body.
    ///
    /// @param special whether to include the permissions of the special watches even if they have not changed
    static ByteBuffer between(StoreImage before, StoreImage after, boolean special) {
        ChangeRecord record = new ChangeRecord(null, Integer.MAX_VALUE);
        TreeDifference.between(before.root(), after.root(), record);
        if (special
                || !before.introduce().equals(after.introduce())
                || !before.release().equals(after.release())) {
            record.special(after);
        }
        return record.body.flip();
    }

    /// A whole image, in bodies of about `chunkBytes`.
    static void all(StoreImage image, int chunkBytes, Chunks chunks) throws IOException {
        ChangeRecord record = new ChangeRecord(chunks, chunkBytes);
        try {
            TreeDifference.between(null, image.root(), record);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        record.special(image);
        chunks.add(record.body.flip());
    }

    /// About the bytes of a whole image in a new file.
    static long size(StoreImage image) {
        long[] bytes = {RecordFile.HEADER_BYTES + RecordSize.SPECIAL};
        TreeDifference.between(
                null,
                image.root(),
                new TreeDifference.Changes() {
                    @Override
                    public void put(byte[] path, Node node) {
                        bytes[0] +=
                                RecordSize.node(
                                        path.length,
                                        node.value().length,
                                        node.permissions().size());
                    }

                    @Override
                    public void removed(byte[] path) {
                        throw new IllegalStateException("there was nothing before");
                    }
                });
        return bytes[0];
    }

    @Override
    public void put(byte[] path, Node node) {
        kind(NODE);
        bytes(path);
        bytes(node.value());
        bytes(node.permissions().encode());
        room(2 * Long.BYTES).putLong(node.ordinal()).putLong(node.generation());
    }

    @Override
    public void removed(byte[] path) {
        kind(REMOVED);
        bytes(path);
    }

    private void special(StoreImage image) {
        kind(SPECIAL);
        bytes(image.introduce().encode());
        bytes(image.release().encode());
    }

    private void kind(int kind) {
        if (chunks != null && body.position() >= chunkBytes) {
            try {
                chunks.add(body.flip());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            body.clear();
        }
        room(Byte.BYTES).put((byte) kind);
    }

    private void bytes(byte[] value) {
        room(Integer.BYTES + value.length).putInt(value.length).put(value);
    }

    private ByteBuffer room(int length) {
        if (body.remaining() < length) {
            int capacity =
                    Math.max(Math.multiplyExact(body.capacity(), 2), body.position() + length);
            body = ByteBuffer.allocate(capacity).order(ByteOrder.LITTLE_ENDIAN).put(body.flip());
        }
        return body;
    }

    /// Applies the changes of a body.
    ///
    /// @throws WireException if it is malformed
    static void apply(byte[] body, RestoredImage image) throws WireException {
        BodyReader reader = new BodyReader(body);
        try {
            while (reader.remaining() > 0) {
                applyOne(reader, image);
            }
        } catch (XenError e) {
            throw new WireException("invalid path or permissions", e);
        }
    }

    private static void applyOne(BodyReader body, RestoredImage image)
            throws WireException, XenError {
        int kind = body.u8();
        switch (kind) {
            case NODE ->
                    image.put(
                            path(body),
                            body.bytes(MessageHeader.PAYLOAD_MAX),
                            permissions(body),
                            body.u64(),
                            body.u64());
            case REMOVED -> image.remove(path(body));
            case SPECIAL -> image.special(permissions(body), permissions(body));
            default -> throw new WireException("unknown change: " + kind);
        }
    }

    private static Path path(BodyReader body) throws WireException, XenError {
        byte[] text = body.bytes(Path.ABSOLUTE_MAX);
        if (text.length == 0 || text[0] != '/') {
            throw XenError.EINVAL;
        }
        return Path.parse(text, 0, text.length, Path.ROOT);
    }

    private static Permissions permissions(BodyReader body) throws WireException, XenError {
        byte[] text = body.bytes(body.remaining());
        return Permissions.parse(text, 0, text.length);
    }
}
