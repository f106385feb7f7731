package io.xenemu.core.cli;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// The Xen version that guests see, as in `4.19`.
///
/// @param major 0 to 65535
/// @param minor 0 to 65535
public record XenVersion(int major, int minor) {
    private static final int LIMIT = 0xffff;

    /// Reads the text form.
    public static final class Converter implements ITypeConverter<XenVersion> {
        @Override
        public XenVersion convert(String text) {
            String[] parts = text.split("\\.", -1);
            try {
                if (parts.length == 2) {
                    int major = Integer.parseInt(parts[0]);
                    int minor = Integer.parseInt(parts[1]);
                    if (major >= 0 && major <= LIMIT && minor >= 0 && minor <= LIMIT) {
                        return new XenVersion(major, minor);
                    }
                }
            } catch (NumberFormatException e) {
                // Falls through to the one message for every wrong form.
            }
            throw new TypeConversionException("'" + text + "' is not a Xen version such as 4.19");
        }
    }

    /// The number as XENVER_version gives it: major in the upper half.
    public int packed() {
        return major << 16 | minor;
    }
}
