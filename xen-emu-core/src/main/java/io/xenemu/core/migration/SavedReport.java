package io.xenemu.core.migration;

import com.google.common.io.CountingInputStream;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.kvm.wire.FrameReader;
import java.io.IOException;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// A stream of saved guests in numbers and names, after it was read and checked to its end.
///
/// @param guests in the order of the stream
/// @param bytes of the stream
public record SavedReport(List<Guest> guests, long bytes) {
    public SavedReport {
        guests = List.copyOf(guests);
    }

    /// A guest.
    ///
    /// @param head its summary, configuration and boot files
    /// @param stateBytes the length of its state
    /// @param frames of its state
    /// @param ram its memory
    public record Guest(SavedHead head, long stateBytes, List<Frame> frames, RamStatistics ram) {
        public Guest {
            frames = List.copyOf(frames);
        }
    }

    /// A frame of a guest's state.
    ///
    /// @param type names the part, usually by four letters
    /// @param version of its layout
    /// @param bytes of its body
    public record Frame(int type, int version, int bytes) {
        /// The letters; the number in hexadecimal if they are none.
        public String name() {
            byte[] letters = new byte[Integer.BYTES];
            for (int i = 0; i < letters.length; i++) {
                letters[i] = (byte) (type >>> (i * Byte.SIZE));
                if (letters[i] < ' ' || letters[i] > '~') {
                    return "0x%08x".formatted(type);
                }
            }
            return new String(letters, StandardCharsets.US_ASCII).strip();
        }
    }

    /// Reads a whole stream.
    ///
    /// @throws io.xenemu.kvm.wire.WireException if it cannot be used, or there is more after its end
    public static SavedReport read(ReadableByteChannel in) throws IOException {
        List<Guest> guests = new ArrayList<>();
        try (SaveReader reader = new SaveReader(in)) {
            SavedHead head = reader.guest(FileContents.NONE);
            while (head != null) {
                List<Frame> frames = new ArrayList<>();
                CountingInputStream state = new CountingInputStream(reader.state());
                new FrameReader(state)
                        .list((type, version, bytes) ->
                                frames.add(new Frame(type, version, bytes)));
                RamStatistics ram = reader.checkRam(new WorkProgress());
                guests.add(new Guest(head, state.getCount(), frames, ram));
                head = reader.guest(FileContents.NONE);
            }
            reader.requireNoMore();
            return new SavedReport(guests, reader.bytes());
        }
    }
}
