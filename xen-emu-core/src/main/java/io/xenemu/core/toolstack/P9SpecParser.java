package io.xenemu.core.toolstack;

import com.google.common.base.CharMatcher;
import com.google.common.primitives.Ints;
import java.util.OptionalInt;

/// Parses the specification of a share: keys with values, separated by commas; a later value replaces an earlier one.
/// A path has no commas, as with xl.
public final class P9SpecParser {
    /// The most descriptors of a share (`P9Limits`).
    private static final int MAX_OPEN_FILES = 65_536;

    /// The longest tag, as QEMU has it for virtio (`MAX_TAG_LEN`).
    private static final int TAG_MAX = 32;

    /// The tag of a share of these types that is given none, as with xl.
    private static final String DEFAULT_TAG = "Xen";

    private static final CharMatcher VISIBLE = CharMatcher.inRange('!', '~');

    private String tag = "";
    private String path = "";
    private boolean readOnly;
    private P9SecurityModel security = P9SecurityModel.NONE;
    private int files;
    private int mebibytes;
    private boolean deletesOldest;
    private OptionalInt maxOpenFiles = OptionalInt.empty();
    private String backend = DeviceSpec.SERVICE;

    /// Parses one part ([DeviceSpec#parts]).
    void part(String part) throws Refused {
        int equals = part.indexOf('=');
        String key = equals < 0 ? part : part.substring(0, equals);
        String value = equals < 0 ? "" : part.substring(equals + 1);
        switch (key) {
            case "tag" -> tag = tag(value);
            case "path" -> path = DeviceSpec.path(value);
            case "ro" -> readOnly = flag(key, equals < 0 ? "1" : value);
            case "security_model" -> security = P9SecurityModel.parse(value);
            case "max-open-files" -> maxOpenFiles = openFiles(value);
            case "max-files" -> files = limit(key, value);
            case "max-space" -> mebibytes = limit(key, value);
            case "auto-delete" -> deletesOldest = flag(key, equals < 0 ? "1" : value);
            case "type" -> tag = tagOf(value);
            case "backend" -> backend = value.isEmpty() ? DeviceSpec.SERVICE : value;
            default -> throw new Refused("unknown parameter of a 9pfs share: " + key);
        }
    }

    /// The program that xl would start; here it is the service in any case.
    private String tagOf(String type) throws Refused {
        return switch (type) {
            case "qemu" -> tag;
            case "xen_9pfsd", "xenlogd" -> tag.isEmpty() ? DEFAULT_TAG : tag;
            default ->
                    throw new Refused(
                            "wrong type: %s: qemu and xen_9pfsd are possible".formatted(type));
        };
    }

    private static int limit(String key, String value) throws Refused {
        Integer number = Ints.tryParse(value);
        if (number == null || number < 0) {
            throw new Refused(
                    "wrong %s: %s: 0 to %d are possible".formatted(key, value, Integer.MAX_VALUE));
        }
        return number;
    }

    private static String tag(String value) throws Refused {
        if (value.isEmpty() || value.length() > TAG_MAX || !VISIBLE.matchesAllOf(value)) {
            throw new Refused(
                    "wrong tag: 1 to %d visible ASCII characters are possible".formatted(TAG_MAX));
        }
        return value;
    }

    private static boolean flag(String key, String value) throws Refused {
        return switch (value) {
            case "0", "false" -> false;
            case "1", "true" -> true;
            default -> throw new Refused("wrong " + key + ": " + value);
        };
    }

    /// 0 is the default, as with xl.
    private static OptionalInt openFiles(String value) throws Refused {
        Integer number = Ints.tryParse(value);
        if (number == null || number < 0 || number > MAX_OPEN_FILES) {
            throw new Refused(
                    "wrong max-open-files: %s: 0 to %d are possible"
                            .formatted(value, MAX_OPEN_FILES));
        }
        return number == 0 ? OptionalInt.empty() : OptionalInt.of(number);
    }

    /// The parsed share.
    P9Spec result() throws Refused {
        if (tag.isEmpty()) {
            throw new Refused("no tag given: the guest mounts the share by tag=TAG");
        }
        if (path.isEmpty()) {
            throw new Refused("no path given: path=FOLDER is the folder to share");
        }
        P9Quota quota = new P9Quota(files, mebibytes, deletesOldest);
        if (deletesOldest && !quota.isLimited()) {
            throw new Refused("auto-delete has no use without max-files or max-space");
        }
        return new P9Spec(
                OptionalInt.empty(), tag, path, readOnly, security, maxOpenFiles, quota, backend);
    }
}
