package io.xenemu.core.toolstack;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A prefix of a disk's target in old specifications, such as `tap:aio:` in `tap:aio:/srv/disk,xvda,w`. Its meaning is
/// xl's (xl-disk-configuration(5), "deprecated"), and its grammar that of libxlu_disk_l.l.
///
/// @param format the format in the prefix, empty if none
/// @param script the hotplug script in the prefix, empty if none
/// @param length of the prefix with its colon
public record DiskPrefix(String format, String script, int length) {
    private static final Pattern FORMAT = Pattern.compile("(raw|qcow2?|vhd):.*", Pattern.DOTALL);

    private static final Pattern SCRIPT = Pattern.compile("(iscsi|e?nbd|drbd):.*", Pattern.DOTALL);

    /// Prefixes that used to select a back end; xl ignores them.
    private static final Pattern IGNORED =
            Pattern.compile("(tapdisk|tap2?|aio|ioemu|file|phy):.*", Pattern.DOTALL);

    /// An unknown prefix: a word and a colon. A target may start in the same way, but then its name continues.
    private static final Pattern UNKNOWN =
            Pattern.compile("([a-z][a-z0-9]*):(?:[^a-z0-9].*)?", Pattern.DOTALL);

    /// The prefix of a text, if it has one.
    ///
    /// @throws Refused if it looks like a prefix but is none of xl's
    static Optional<DiskPrefix> of(String text) throws Refused {
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
            throw new Refused("unknown prefix of a disk: " + unknown.group(1) + ":");
        }
        return Optional.empty();
    }

    private static Optional<DiskPrefix> prefix(Matcher matcher, String format, String script) {
        return Optional.of(new DiskPrefix(format, script, matcher.end(1) + 1));
    }
}
