package io.xenemu.core.xlcfg;

import com.google.common.base.CharMatcher;

/// Thrown for a configuration file of which no guest can be made. The message is one line: `SOURCE:LINE: REASON`.
/// It may repeat text of the file, without characters that a terminal obeys.
public final class XlCfgException extends Exception {
    private static final long serialVersionUID = 1;

    XlCfgException(XlPlace place, String reason) {
        this(place.toString(), reason);
    }

    /// @param source the file
    XlCfgException(String source, String reason) {
        super(
                CharMatcher.javaIsoControl().replaceFrom(source + ": " + reason, '?'),
                null,
                false,
                false);
    }

    @Override
    public String getMessage() {
        return String.valueOf(super.getMessage());
    }
}
