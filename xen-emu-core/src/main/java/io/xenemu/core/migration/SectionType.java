package io.xenemu.core.migration;

import io.xenemu.kvm.wire.WireException;
import java.util.HexFormat;

/// The sections of a stream, in the order in which they occur. A saved guest has those from [#GUEST] to [#GUEST_END].
enum SectionType {
    /// The guest in short: [GuestSummary].
    GUEST("GUST", 64 << 10),
    /// Its configuration: bytes of the layout that the section's version names.
    CONFIG("CONF", 1 << 20),
    /// Begins a file for its next boot; chunks follow if the stream has its content.
    FILE("FILE", 64 << 10),
    /// Ends the file, with its digest.
    FILE_END("FEND", 1 << 10),
    /// Begins the frames of its state; chunks follow.
    STATE("STAT", 1 << 10),
    /// A part of a file or of the state.
    DATA("DATA", SaveFormat.CHUNK_BYTES),
    /// A disk whose content goes with it.
    DISK("DISK", 1 << 10),
    /// Begins its RAM; pages follow.
    RAM("RAM ", 1 << 10),
    /// Begins a round of pages of a guest that runs.
    ROUND("ROUN", 1 << 10),
    /// Some blocks of a disk, as pages of it.
    BLOCKS("BLKS", SaveFormat.MAX_PAGES_BYTES),
    /// Some of its pages.
    PAGES("PAGE", SaveFormat.MAX_PAGES_BYTES),
    /// Ends a round in which there are disks: the reader brings them to its storage, and says so.
    ROUND_END("REND", 1 << 10),
    /// Pages that follow the guest after it runs at its destination.
    MISSING("MISS", 1 << 20),
    /// Ends the guest.
    GUEST_END("GEND", 1 << 10),
    /// Ends the stream.
    END("END ", 1 << 10);

    private static final SectionType[] ALL = values();

    private final String letters;
    private final int code;
    private final int maxBytes;

    SectionType(String letters, int maxBytes) {
        this.letters = letters;
        this.maxBytes = maxBytes;
        int value = 0;
        for (int i = letters.length() - 1; i >= 0; i--) {
            value = value << Byte.SIZE | letters.charAt(i);
        }
        code = value;
    }

    /// The number in the stream: its four letters in ASCII, the first in the lowest byte.
    int code() {
        return code;
    }

    /// The letters, for messages.
    String letters() {
        return letters.strip();
    }

    /// The longest body, in bytes.
    int maxBytes() {
        return maxBytes;
    }

    /// @throws WireException if this program knows no such section
    static SectionType of(int code) throws WireException {
        for (SectionType type : ALL) {
            if (type.code == code) {
                return type;
            }
        }
        throw new WireException("unknown section 0x" + HexFormat.of().toHexDigits(code));
    }
}
