package io.xenemu.core.guest;

import io.xenemu.core.boot.KeptBootFiles;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.migration.PageEncoding;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.migration.UpdateMessage;
import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.wire.FrameReader;
import io.xenemu.kvm.wire.FrameWriter;
import io.xenemu.xenstore.state.XenStoreCodec;
import io.xenemu.xenstore.state.XenStoreState;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;

/// The file with the states of all guests, and of XenStore, for the next version of a service: see
/// [UpdateMessage.States].
final class UpdateStates {
    /// Room for the state of a guest, of which it needs a few hundred KiB. Only what is written takes memory.
    private static final long STATE_ROOM = 64L << 20;

    private UpdateStates() {}

    /// Makes the file.
    static MemFd create(List<SaveParty.Member> guests) throws IOException {
        long bytes = STATE_ROOM;
        for (SaveParty.Member guest : guests) {
            bytes += STATE_ROOM;
            KeptBootFiles kept = guest.request().kept();
            if (kept != null) {
                for (KeptBootFiles.Kept file : kept.files()) {
                    bytes += file.content().size();
                }
            }
        }
        long pages = (bytes + GuestMemory.PAGE_SIZE - 1) / GuestMemory.PAGE_SIZE;
        return MemFd.create("xen-upgrade", pages * GuestMemory.PAGE_SIZE);
    }

    /// Writes the states.
    ///
    /// @param states of the guests' parts
    /// @param store the whole of it
    /// @param lastDomain the last domain id that was given out in order
    static UpdateMessage.States write(
            MemFd file,
            List<SaveParty.Member> guests,
            List<Map<String, PartState>> states,
            XenStoreState store,
            int lastDomain,
            Instant stopped)
            throws IOException {
        try (FileChannel out = file.writer()) {
            long length = guests.isEmpty() ? 0 : writeGuests(out, guests, states);
            ByteBuffer frames = ByteBuffer.wrap(frames(store));
            int storeBytes = frames.remaining();
            out.position(length);
            while (frames.hasRemaining()) {
                out.write(frames);
            }
            return new UpdateMessage.States(file.size(), length, storeBytes, lastDomain, stopped);
        }
    }

    private static long writeGuests(
            FileChannel out, List<SaveParty.Member> guests, List<Map<String, PartState>> states)
            throws IOException {
        SaveWriter writer = new SaveWriter(out, PageEncoding.NONE);
        for (int i = 0; i < guests.size(); i++) {
            SaveParty.Member guest = guests.get(i);
            GuestDescription.writeForHere(writer, guest.domain(), guest.request());
            writer.state(XenState.write(states.get(i)));
            writer.ramElsewhere(guest.domain().memory().ramFile().size());
        }
        return writer.end();
    }

    private static byte[] frames(XenStoreState store) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        FrameWriter frames = new FrameWriter(bytes);
        frames.write(XenStoreCodec.TYPE, XenStoreCodec.VERSION, XenStoreCodec.encode(store));
        frames.finish();
        return bytes.toByteArray();
    }

    /// Reads XenStore's state.
    static XenStoreState store(MemFd file, UpdateMessage.States sizes) throws IOException {
        byte[] bytes = new byte[Math.toIntExact(sizes.storeBytes())];
        try (FileChannel in = file.reader()) {
            ByteBuffer left = ByteBuffer.wrap(bytes);
            long at = sizes.guests();
            while (left.hasRemaining()) {
                int count = in.read(left, at);
                if (count < 0) {
                    throw new IOException("the states are cut off");
                }
                at += count;
            }
        }
        AtomicReference<XenStoreState> state = new AtomicReference<>();
        new FrameReader(new ByteArrayInputStream(bytes))
                .readEachOnce(
                        Map.of(
                                XenStoreCodec.TYPE,
                                (version, body) -> state.set(XenStoreCodec.decode(version, body))));
        return state.get();
    }

    /// The stream of the guests.
    static ReadableByteChannel guests(MemFd file, UpdateMessage.States sizes) throws IOException {
        return new Part(file.reader(), sizes.guests());
    }

    /// The beginning of a file.
    private record Part(FileChannel file, long end) implements ReadableByteChannel {
        @Override
        public int read(ByteBuffer to) throws IOException {
            long left = end - file.position();
            if (left <= 0) {
                return -1;
            }
            int limit = to.limit();
            to.limit(Math.toIntExact(Math.min(limit, to.position() + left)));
            try {
                return file.read(to);
            } finally {
                to.limit(limit);
            }
        }

        @Override
        public boolean isOpen() {
            return file.isOpen();
        }

        @Override
        public void close() throws IOException {
            file.close();
        }
    }
}
