package io.xenemu.core.cli;

import com.google.common.base.Splitter;
import io.xenemu.xenstore.Quotas;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import picocli.CommandLine.TypeConversionException;

/// `NAME=VALUE` with C xenstored's names of quotas.
final class QuotaSettings {
    /// How a quota is set.
    @FunctionalInterface
    private interface Setting {
        Quotas set(Quotas quotas, int value);
    }

    private static final Map<String, Setting> SETTINGS =
            Map.of(
                    "nodes",
                    (q, n) ->
                            new Quotas(
                                    n,
                                    q.watches(),
                                    q.transactions(),
                                    q.nodeSize(),
                                    q.permissions(),
                                    q.transactionOperations(),
                                    q.transactionNodes(),
                                    q.queuedBytes()),
                    "watches",
                    (q, n) ->
                            new Quotas(
                                    q.nodes(),
                                    n,
                                    q.transactions(),
                                    q.nodeSize(),
                                    q.permissions(),
                                    q.transactionOperations(),
                                    q.transactionNodes(),
                                    q.queuedBytes()),
                    "transactions",
                    (q, n) ->
                            new Quotas(
                                    q.nodes(),
                                    q.watches(),
                                    n,
                                    q.nodeSize(),
                                    q.permissions(),
                                    q.transactionOperations(),
                                    q.transactionNodes(),
                                    q.queuedBytes()),
                    "node-size",
                    (q, n) ->
                            new Quotas(
                                    q.nodes(),
                                    q.watches(),
                                    q.transactions(),
                                    n,
                                    q.permissions(),
                                    q.transactionOperations(),
                                    q.transactionNodes(),
                                    q.queuedBytes()),
                    "node-permissions",
                    (q, n) ->
                            new Quotas(
                                    q.nodes(),
                                    q.watches(),
                                    q.transactions(),
                                    q.nodeSize(),
                                    n,
                                    q.transactionOperations(),
                                    q.transactionNodes(),
                                    q.queuedBytes()),
                    "transaction-nodes",
                    (q, n) ->
                            new Quotas(
                                    q.nodes(),
                                    q.watches(),
                                    q.transactions(),
                                    q.nodeSize(),
                                    q.permissions(),
                                    q.transactionOperations(),
                                    n,
                                    q.queuedBytes()));

    private QuotaSettings() {}

    /// The names, for a user.
    static String names() {
        return String.join(", ", new TreeMap<>(SETTINGS).keySet());
    }

    /// The default quotas, with what a user has set.
    ///
    /// @throws TypeConversionException for an unknown name or no number
    static Quotas parse(List<String> settings) {
        Quotas quotas = Quotas.DEFAULT;
        for (String setting : settings) {
            List<String> parts = Splitter.on('=').limit(2).splitToList(setting);
            Setting known = SETTINGS.get(parts.get(0));
            if (known == null || parts.size() != 2) {
                throw new TypeConversionException(
                        "'" + setting + "' is not NAME=VALUE with a name of: " + names());
            }
            quotas = known.set(quotas, number(parts.get(1)));
        }
        return quotas;
    }

    private static int number(String text) {
        try {
            int value = Integer.parseInt(text);
            if (value > 0) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Falls through to the one message.
        }
        throw new TypeConversionException("'" + text + "' is not a positive number");
    }
}
