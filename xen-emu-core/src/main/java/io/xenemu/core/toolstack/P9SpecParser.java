package io.xenemu.core.toolstack;

import com.google.common.base.CharMatcher;
import com.google.common.primitives.Ints;
import java.util.OptionalInt;

/// Parses the specification of a share: keys with values, separated by commas; a later value replaces an earlier one.
/// A path has no commas, as with xl.
public final class P9SpecParser {
    /// The least and the most descriptors of a share (`P9Limits`).
    private static final int MIN_OPEN_FILES = 16;

    private static final int MAX_OPEN_FILES = 65_536;

    /// The longest tag, as QEMU has it for virtio (`MAX_TAG_LEN`).
    private static final int TAG_MAX = 32;

    private static final CharMatcher VISIBLE = CharMatcher.inRange('!', '~');

    private String tag = "";
    private String path = "";
    private boolean readOnly;
    private OptionalInt maxOpenFiles = OptionalInt.empty();
    private String backend = DeviceSpec.SERVICE;

    /// Parses one part ([DeviceSpec#parts]).
    void part(String part) throws Refused {
        int equals = part.indexOf('=');
        String key = equals < 0 ? part : part.substring(0, equals);
        String value = equals < 0 ? "" : part.substring(equals + 1);
        switch (key) {
            case "tag" -> tag = tag(value);
            case "path" -> path = path(value);
            case "ro" -> readOnly = flag(key, equals < 0 ? "1" : value);
            case "security_model" -> {
                if (!value.equals(P9Spec.SECURITY_MODEL)) {
                    throw new Refused("security_model=" + value + ": not supported, only none is");
                }
            }
            case "max-open-files" -> maxOpenFiles = OptionalInt.of(openFiles(value));
            case "backend" -> backend = value.isEmpty() ? DeviceSpec.SERVICE : value;
            case "type", "max-files", "max-space", "auto-delete" ->
                    throw new Refused(key + ": not supported");
            default -> throw new Refused("unknown parameter of a 9pfs share: " + key);
        }
    }

    private static String tag(String value) throws Refused {
        if (value.isEmpty() || value.length() > TAG_MAX || !VISIBLE.matchesAllOf(value)) {
            throw new Refused(
                    "wrong tag: 1 to %d visible ASCII characters are possible".formatted(TAG_MAX));
        }
        return value;
    }

    private static String path(String value) throws Refused {
        if (!value.startsWith("/") || CharMatcher.javaIsoControl().matchesAnyOf(value)) {
            throw new Refused("wrong path: it has to begin with /, without control characters");
        }
        return value;
    }

    private static boolean flag(String key, String value) throws Refused {
        return switch (value) {
            case "0" -> false;
            case "1" -> true;
            default -> throw new Refused("wrong " + key + ": " + value);
        };
    }

    private static int openFiles(String value) throws Refused {
        Integer number = Ints.tryParse(value);
        if (number == null || number < MIN_OPEN_FILES || number > MAX_OPEN_FILES) {
            throw new Refused(
                    "wrong max-open-files: %s: %d to %d are possible"
                            .formatted(value, MIN_OPEN_FILES, MAX_OPEN_FILES));
        }
        return number;
    }

    /// The parsed share.
    P9Spec result() throws Refused {
        if (tag.isEmpty()) {
            throw new Refused("no tag given: the guest mounts the share by tag=TAG");
        }
        if (path.isEmpty()) {
            throw new Refused("no path given: path=FOLDER is the folder to share");
        }
        return new P9Spec(OptionalInt.empty(), tag, path, readOnly, maxOpenFiles, backend);
    }
}
