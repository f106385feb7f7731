package io.xenemu.core.pv;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What stood before the target of a disk in old specifications, as `tap:aio:` in `tap:aio:/srv/disk,xvda,w`, and what xl makes of it
/// (xl-disk-configuration(5), "deprecated"; the grammar is that of libxlu_disk_l.l).
///
/// @param format the format that it says, empty if none
/// @param script the hotplug script that it says, empty if none
/// @param length of its text with the colon
record DiskPrefix(String format, String script, int length) {
    private static final Pattern FORMAT = Pattern.compile("(raw|qcow2?|vhd):.*", Pattern.DOTALL);

    private static final Pattern SCRIPT = Pattern.compile("(iscsi|e?nbd|drbd):.*", Pattern.DOTALL);

    /// Of a back end that is not chosen in this way any more; xl ignores them.
    private static final Pattern IGNORED =
            Pattern.compile("(tapdisk|tap2?|aio|ioemu|file|phy):.*", Pattern.DOTALL);

    /// A target may begin with a word and a colon itself, but then more of the name follows.
    private static final Pattern UNKNOWN =
            Pattern.compile("([a-z][a-z0-9]*):(?:[^a-z0-9].*)?", Pattern.DOTALL);

    /// The prefix with which a text begins, if any.
    ///
    /// @throws DeviceRefused when it looks like one, but is none of xl's
    static Optional<DiskPrefix> of(String text) throws DeviceRefused {
        Matcher format = FORMAT.matcher(text);
        if (format.matches()) {
            return prefix(format, format.group(1), "");
        }
        Matcher script = SCRIPT.matcher(text);
        if (script.matches()) {
            return prefix(script, "", "block-" + script.group(1));
        }
        Matcher ignored = IGNORED.matcher(text);
        if (ignored.matches()) {
            return prefix(ignored, "", "");
        }
        Matcher unknown = UNKNOWN.matcher(text);
        if (unknown.matches()) {
            throw new DeviceRefused("unknown prefix of a disk: " + unknown.group(1) + ":");
        }
        return Optional.empty();
    }

    private static Optional<DiskPrefix> prefix(Matcher matcher, String format, String script) {
        return Optional.of(new DiskPrefix(format, script, matcher.end(1) + 1));
    }
}
