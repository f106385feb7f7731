package io.xenemu.core.control;

import com.google.common.base.Splitter;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.thread.CpuAffinity;
import java.util.BitSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// CPUs of the host as xl writes them: numbers and ranges with commas, those behind `^` left out, such as `0-7,^2-3`;
/// or `all`.
final class CpuRanges {
    private static final Pattern RANGE = Pattern.compile("(\\^?)([0-9]{1,4})(?:-([0-9]{1,4}))?");
    private static final String ALL = "all";

    private CpuRanges() {}

    /// The CPUs; none for `all`.
    ///
    /// @throws Refused if the text has another form, or leaves none
    static BitSet parse(String text) throws Refused {
        BitSet cpus = new BitSet();
        if (text.equals(ALL)) {
            return cpus;
        }
        for (String part : Splitter.on(',').trimResults().split(text)) {
            Matcher ends = RANGE.matcher(part);
            if (!ends.matches()) {
                throw wrong(part);
            }
            int from = Integer.parseInt(ends.group(2));
            int to = ends.group(3) == null ? from : Integer.parseInt(ends.group(3));
            if (from > to || to >= CpuAffinity.MAX_CPUS) {
                throw wrong(part);
            }
            cpus.set(from, to + 1, ends.group(1).isEmpty());
        }
        if (cpus.isEmpty()) {
            throw new Refused("'" + text + "' leaves no CPU");
        }
        return cpus;
    }

    private static Refused wrong(String part) {
        return new Refused("'" + part + "' is no CPU or range of CPUs such as 2, 2-3 or ^2");
    }
}
