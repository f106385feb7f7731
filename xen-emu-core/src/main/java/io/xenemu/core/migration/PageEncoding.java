package io.xenemu.core.migration;

import io.xenemu.kvm.wire.WireException;

/// The form of pages in a stream.
public enum PageEncoding {
    /// As they are.
    NONE(0),
    /// Compressed by Zstandard, each section by itself. A writer may leave sections as they are.
    ZSTD(1);

    private static final PageEncoding[] ALL = values();

    private final int code;

    PageEncoding(int code) {
        this.code = code;
    }

    /// Its number in a stream.
    int code() {
        return code;
    }

    /// The encoding of a number in a stream.
    static PageEncoding of(int code) throws WireException {
        for (PageEncoding encoding : ALL) {
            if (encoding.code == code) {
                return encoding;
            }
        }
        throw new WireException(
                "pages of encoding "
                        + Integer.toUnsignedString(code)
                        + ", which this program does not know");
    }
}
