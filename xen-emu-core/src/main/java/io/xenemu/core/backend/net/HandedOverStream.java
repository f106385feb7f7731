package io.xenemu.core.backend.net;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.host.HostProgram;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.PasstSpec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.file.HostFile;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.StreamSocket;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/// A [StreamLink] on its way to another process of this service: a memory file with the bytes on their way, with their
/// number before them; its socket; and the folder of a passt of the service's own.
///
/// Not thread-safe.
final class HandedOverStream implements AutoCloseable {
    /// Room for the bytes of both directions.
    private static final long FILE_BYTES = 512 << 10;

    private static final int MAX_DESCRIPTORS = 3;

    private final MemFd file;
    private final ImmutableIntArray link;

    private HandedOverStream(MemFd file, ImmutableIntArray link) {
        this.file = file;
        this.link = link;
    }

    /// @param stream of a device that stands still
    /// @throws Refused if it cannot be handed over now
    static HandedOverStream of(StreamLink stream) throws Refused {
        ImmutableIntArray link = stream.descriptors();
        byte[] buffered = stream.buffered();
        MemFd file = MemFd.create("xen-stream", FILE_BYTES);
        boolean done = false;
        try (FileChannel out = file.writer()) {
            ByteBuffer all = ByteBuffer.allocate(Integer.BYTES + buffered.length);
            all.putInt(buffered.length).put(buffered).flip();
            while (all.hasRemaining()) {
                out.write(all);
            }
            done = true;
            return new HandedOverStream(file, link);
        } catch (IOException e) {
            throw new Refused(IoReason.of(e));
        } finally {
            if (!done) {
                file.close();
            }
        }
    }

    /// All descriptors. This object keeps the ownership of the file.
    ImmutableIntArray descriptors() {
        return ImmutableIntArray.builder().add(file.fd()).addAll(link).build();
    }

    /// Goes on with such a stream.
    ///
    /// @param descriptors taken over, also if this fails
    /// @throws Refused if it cannot be had
    static StreamLink received(NicSpec spec, String name, ImmutableIntArray descriptors)
            throws Refused {
        PasstSpec passt = spec.passt().orElseThrow();
        boolean isOwn = passt.socket().isEmpty();
        if (descriptors.length() != (isOwn ? MAX_DESCRIPTORS : MAX_DESCRIPTORS - 1)) {
            throw new Refused(
                    "%s: a stream with %d descriptors".formatted(name, descriptors.length()));
        }
        StreamSocket socket = StreamSocket.received(descriptors.get(1), name);
        boolean done = false;
        try (MemFd file = MemFd.received(descriptors.get(0), FILE_BYTES)) {
            byte[] buffered = read(file);
            StreamLink link =
                    StreamLink.received(peer(spec, name, descriptors), name, socket, buffered);
            done = true;
            return link;
        } catch (IOException e) {
            throw new Refused(IoReason.of(e));
        } finally {
            if (!done) {
                socket.close();
            }
        }
    }

    private static StreamPeer peer(NicSpec spec, String name, ImmutableIntArray descriptors)
            throws Refused {
        PasstSpec passt = spec.passt().orElseThrow();
        if (!passt.socket().isEmpty()) {
            return new SocketPeer(Path.of(passt.socket()));
        }
        try (HostFile folder = HostFile.received(descriptors.get(2))) {
            return Passt.received(passt, spec.mtu(), name, HostProgram.folders(), folder);
        }
    }

    private static byte[] read(MemFd file) throws IOException {
        ByteBuffer all = ByteBuffer.allocate(Math.toIntExact(FILE_BYTES));
        try (FileChannel in = file.reader()) {
            while (all.hasRemaining() && in.read(all) > 0) {
                // The rest follows.
            }
        }
        all.flip();
        int length = all.getInt();
        if (length < Integer.BYTES || length > all.remaining()) {
            throw new IOException("a stream of %d bytes".formatted(length));
        }
        byte[] buffered = new byte[length];
        all.get(buffered);
        return buffered;
    }

    @Override
    public void close() {
        file.close();
    }
}
