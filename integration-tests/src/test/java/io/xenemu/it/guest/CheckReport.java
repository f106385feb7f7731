package io.xenemu.it.guest;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What the `hypercalls` guest printed: `ok NAME`, `FAIL NAME: got X want Y`, `skip NAME`, and a summary as the last line.
///
/// @param passed names in order
/// @param failed name to "got X want Y"
/// @param skipped names in order
/// @param complete whether the summary came and agrees with the lines
public record CheckReport(
        List<String> passed, Map<String, String> failed, List<String> skipped, boolean complete) {

    private static final Pattern OK = Pattern.compile("ok (\\S+)");
    private static final Pattern FAIL = Pattern.compile("FAIL ([^:]+)(?:: (.*))?");
    private static final Pattern SKIP = Pattern.compile("skip (\\S+)");
    private static final Pattern SUMMARY = Pattern.compile("(\\d+) passed, (\\d+) failed");

    /// Reads the guest's output; lines of other forms are passed over.
    public static CheckReport parse(String output) {
        List<String> passed = new ArrayList<>();
        Map<String, String> failed = new LinkedHashMap<>();
        List<String> skipped = new ArrayList<>();
        boolean complete = false;
        for (String line : output.lines().map(String::strip).toList()) {
            Matcher ok = OK.matcher(line);
            Matcher fail = FAIL.matcher(line);
            Matcher skip = SKIP.matcher(line);
            Matcher summary = SUMMARY.matcher(line);
            if (ok.matches()) {
                passed.add(ok.group(1));
            } else if (fail.matches()) {
                String reason = fail.group(2);
                failed.put(fail.group(1), reason == null ? "" : reason);
            } else if (skip.matches()) {
                skipped.add(skip.group(1));
            } else if (summary.matches()) {
                complete =
                        Integer.parseInt(summary.group(1)) == passed.size()
                                && Integer.parseInt(summary.group(2)) == failed.size();
            }
        }
        return new CheckReport(
                List.copyOf(passed), new LinkedHashMap<>(failed), List.copyOf(skipped), complete);
    }
}
