package io.xenemu.core.guest;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The Xen version that guests see, as in `4.19`.
///
/// @param major 0 to 32767, so that XENVER_version's answer is no error number
/// @param minor 0 to 65535
public record XenVersion(int major, int minor) {
    private static final int MAX_MAJOR = 0x7fff;
    private static final int MAX_MINOR = 0xffff;

    /// Digits alone: [Integer#parseInt] would also take a sign, and digits of other scripts.
    private static final Pattern FORM = Pattern.compile("([0-9]{1,5})\\.([0-9]{1,5})");

    /// Reads the text form.
    ///
    /// @throws IllegalArgumentException if it is none
    public static XenVersion parse(String text) {
        Matcher parts = FORM.matcher(text);
        if (parts.matches()) {
            int major = Integer.parseInt(parts.group(1));
            int minor = Integer.parseInt(parts.group(2));
            if (major <= MAX_MAJOR && minor <= MAX_MINOR) {
                return new XenVersion(major, minor);
            }
        }
        throw new IllegalArgumentException("'" + text + "' is not a Xen version such as 4.19");
    }

    /// The number as XENVER_version gives it: major in the upper half.
    public int packed() {
        return major << 16 | minor;
    }
}
