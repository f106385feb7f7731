package io.xenemu.core.cli;

import com.google.common.base.Splitter;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.quota.Quotas;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// The options that set XenStore's quotas of guests: `NAME=VALUE` with C xenstored's names.
final class QuotaOptions {
    @Spec(Spec.Target.MIXEE)
    private @Nullable CommandSpec command;

    @Option(
            names = {"-Q", "--quota"},
            paramLabel = "NAME=VALUE",
            description =
                    "Set a quota of guests in XenStore, by xenstored's name: node-permissions, node-size, nodes, outstanding,"
                            + " path-max, transaction-nodes, transactions, watches, and memory in bytes. 0 is no limit.")
    private List<String> hard = new ArrayList<>();

    @Option(
            names = {"-q", "--quota-soft"},
            paramLabel = "NAME=VALUE",
            description = "Set a quota that only makes the log warn: memory.")
    private List<String> soft = new ArrayList<>();

    /// The default quotas, with the user's settings.
    ///
    /// @throws ParameterException for an unknown name or no number
    Quotas quotas() {
        Quotas quotas = Quotas.DEFAULT;
        for (String setting : hard) {
            quotas = with(quotas, "--quota", setting, false);
        }
        for (String setting : soft) {
            quotas = with(quotas, "--quota-soft", setting, true);
        }
        return quotas;
    }

    private Quotas with(Quotas quotas, String option, String setting, boolean isSoft) {
        List<String> parts = Splitter.on('=').limit(2).splitToList(setting);
        @Nullable Quota quota = Quota.named(parts.get(0), isSoft);
        if (quota == null || parts.size() != 2) {
            throw wrong(
                    option
                            + ": '"
                            + setting
                            + "' is not NAME=VALUE with a name of: "
                            + names(isSoft));
        }
        try {
            int value = Integer.parseInt(parts.get(1));
            if (value >= 0) {
                return quotas.with(quota, value);
            }
        } catch (NumberFormatException e) {
            // Falls through to the one message for every wrong form.
        }
        throw wrong(option + ": '" + parts.get(1) + "' is not a number from 0 on");
    }

    private static String names(boolean isSoft) {
        return Quota.all().stream()
                .filter(quota -> quota.isSoft() == isSoft)
                .map(Quota::plainText)
                .sorted()
                .collect(Collectors.joining(", "));
    }

    private ParameterException wrong(String message) {
        return WrongUse.of(command, message);
    }
}
