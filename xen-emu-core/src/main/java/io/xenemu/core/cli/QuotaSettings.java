package io.xenemu.core.cli;

import com.google.common.base.Splitter;
import io.xenemu.xenstore.Quota;
import io.xenemu.xenstore.Quotas;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.TypeConversionException;

/// `NAME=VALUE` with C xenstored's names of quotas.
final class QuotaSettings {
    private QuotaSettings() {}

    /// The names, for a user.
    ///
    /// @param soft those that are only warned of
    static String names(boolean soft) {
        return Quota.all().stream()
                .filter(quota -> quota.isSoft() == soft)
                .map(Quota::plainText)
                .sorted()
                .collect(Collectors.joining(", "));
    }

    /// The default quotas, with what a user has set.
    ///
    /// @param hard as given with `--quota`
    /// @param soft as given with `--quota-soft`
    /// @throws TypeConversionException for an unknown name or no number
    static Quotas parse(List<String> hard, List<String> soft) {
        Quotas quotas = Quotas.DEFAULT;
        for (String setting : hard) {
            quotas = with(quotas, setting, false);
        }
        for (String setting : soft) {
            quotas = with(quotas, setting, true);
        }
        return quotas;
    }

    private static Quotas with(Quotas quotas, String setting, boolean soft) {
        List<String> parts = Splitter.on('=').limit(2).splitToList(setting);
        @Nullable Quota quota = Quota.named(parts.get(0), soft);
        if (quota == null || parts.size() != 2) {
            throw new TypeConversionException(
                    "'" + setting + "' is not NAME=VALUE with a name of: " + names(soft));
        }
        return quotas.with(quota, number(parts.get(1)));
    }

    private static int number(String text) {
        try {
            int value = Integer.parseInt(text);
            if (value >= 0) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Falls through to the one message.
        }
        throw new TypeConversionException("'" + text + "' is not a number from 0 on");
    }
}
