package io.xenemu.xenstore.request;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.quota.Account;
import io.xenemu.xenstore.quota.Quota;
import io.xenemu.xenstore.store.XenStore;
import io.xenemu.xenstore.wire.Request;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The commands of CONTROL that make sense for this daemon, with C xenstored's parameters and answers. Unknown or
/// malformed commands are EINVAL.
///
/// `logfile` is missing: the service decides where logs go. So `memreport` takes no file and answers with its report.
final class ControlCommands {
    private static final Logger log = LoggerFactory.getLogger(ControlCommands.class);
    private static final String OK = "OK";

    /// Leaves room for a last line within a payload.
    private static final int REPORT_MAX = 4000;

    private static final String HELP =
            """
            check          \s
            help           \s
            log             [on|off]
            memreport      \s
            print           <string>
            quota           [set <name> <val>|<domid>|max [-r]]
            quota-soft      [set <name> <val>]
            """;

    private final XenStore store;
    private boolean logging;

    ControlCommands(XenStore store) {
        this.store = store;
    }

    /// Whether each request is to be logged, after `log on`.
    boolean isLogging() {
        return logging;
    }

    byte[] run(Request.Control control) throws XenError {
        List<String> words = control.words();
        if (words.isEmpty()) {
            throw XenError.EINVAL;
        }
        List<String> parameters = words.subList(1, words.size());
        String answer =
                switch (words.getFirst()) {
                    case "check" -> check(parameters);
                    case "help" -> none(parameters, HELP);
                    case "log" -> log(parameters);
                    case "memreport" -> none(parameters, memoryReport());
                    case "print" -> print(parameters);
                    case "quota" -> quota(parameters);
                    case "quota-soft" -> quotaSoft(parameters);
                    default -> throw XenError.EINVAL;
                };
        return (answer + "\0").getBytes(StandardCharsets.ISO_8859_1);
    }

    private static String none(List<String> parameters, String answer) throws XenError {
        if (!parameters.isEmpty()) {
            throw XenError.EINVAL;
        }
        return answer;
    }

    private String check(List<String> parameters) throws XenError {
        none(parameters, OK);
        store.check();
        return OK;
    }

    private static String print(List<String> parameters) throws XenError {
        if (parameters.size() != 1) {
            throw XenError.EINVAL;
        }
        log.info("control print: {}", parameters.getFirst());
        return OK;
    }

    private String log(List<String> parameters) throws XenError {
        if (parameters.isEmpty()) {
            return "Log switch settings:\nrequests: " + (logging ? "on" : "off") + "\n";
        }
        if (parameters.size() != 1) {
            throw XenError.EINVAL;
        }
        logging =
                switch (parameters.getFirst()) {
                    case "on" -> true;
                    case "off" -> false;
                    default -> throw XenError.EINVAL;
                };
        return OK;
    }

    private String memoryReport() {
        StringBuilder report = new StringBuilder();
        report.append("nodes: ").append(store.nodeCounts().total());
        report.append(", bytes: ").append(store.nodeCounts().totalBytes());
        report.append(", watches: ").append(store.watchCount());
        report.append(", transactions: ").append(store.transactionCount());
        report.append(", kept for them: ").append(store.pinnedBytes()).append('\n');
        int left = 0;
        for (Account account : store.accounts().all()) {
            if (report.length() > REPORT_MAX) {
                left++;
                continue;
            }
            report.append("domain ").append(account.domain().value());
            report.append(": ").append(account.memory()).append('\n');
        }
        return left == 0 ? report.toString() : report + "and " + left + " more\n";
    }

    private String quota(List<String> parameters) throws XenError {
        if (parameters.isEmpty()) {
            return settings(false);
        }
        return switch (parameters.getFirst()) {
            case "set" -> set(parameters.subList(1, parameters.size()), false);
            case "max" -> most(parameters.subList(1, parameters.size()));
            default -> {
                if (parameters.size() != 1) {
                    throw XenError.EINVAL;
                }
                yield usage(store.accounts().known(domain(parameters.getFirst())));
            }
        };
    }

    private String quotaSoft(List<String> parameters) throws XenError {
        if (parameters.isEmpty()) {
            return settings(true);
        }
        if (!parameters.getFirst().equals("set")) {
            throw XenError.EINVAL;
        }
        return set(parameters.subList(1, parameters.size()), true);
    }

    private String settings(boolean soft) {
        StringBuilder text = new StringBuilder("Quota settings:\n");
        for (Quota quota : Quota.all()) {
            if (quota.isSoft() == soft) {
                text.append(
                        "%-17s: %8d %s\n"
                                .formatted(
                                        quota.plainText(),
                                        store.accounts().quotas().limit(quota),
                                        quota.description()));
            }
        }
        return text.toString();
    }

    private String set(List<String> parameters, boolean soft) throws XenError {
        if (parameters.size() != 2) {
            throw XenError.EINVAL;
        }
        Quota quota = Quota.named(parameters.getFirst(), soft);
        if (quota == null) {
            throw XenError.EINVAL;
        }
        int limit = number(parameters.getLast(), Integer.MAX_VALUE);
        if (limit < 1) {
            throw XenError.EINVAL; // as C xenstored; SET_QUOTA knows "no limit"
        }
        store.accounts().setLimit(null, quota.text(), limit);
        return OK;
    }

    private String most(List<String> parameters) throws XenError {
        if (parameters.equals(List.of("-r"))) {
            store.accounts().forgetMost();
        } else {
            none(parameters, OK);
        }
        StringBuilder text = new StringBuilder("Max. seen accounting values:\n");
        for (Quota quota : Quota.all()) {
            if (!quota.isSoft()) {
                text.append("%-17s: %8d\n".formatted(quota.text(), store.accounts().most(quota)));
            }
        }
        return text.toString();
    }

    private static String usage(Account account) {
        StringBuilder text = new StringBuilder();
        text.append("Domain ").append(account.domain().value()).append(":\n");
        for (Quota quota : Quota.all()) {
            if (!quota.isSoft()) {
                text.append(
                        "%-17s: %8d (max %8d)\n"
                                .formatted(quota.text(), account.used(quota), account.most(quota)));
            }
        }
        return text.toString();
    }

    private static DomId domain(String text) throws XenError {
        return new DomId(number(text, 0xffff));
    }

    private static int number(String text, int max) throws XenError {
        try {
            int value = Integer.parseInt(text);
            if (value >= 0 && value <= max) {
                return value;
            }
        } catch (NumberFormatException e) {
            log.debug("not a number: {}", text);
        }
        throw XenError.EINVAL;
    }
}
