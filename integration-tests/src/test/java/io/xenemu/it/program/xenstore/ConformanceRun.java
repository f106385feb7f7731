package io.xenemu.it.program.xenstore;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// All cases on several daemons, and where these differ.
public final class ConformanceRun {
    private final List<ConformanceCase> cases =
            Stream.of(TreeCases.all(), TransactionCases.all(), WatchCases.all(), DomainCases.all())
                    .flatMap(List::stream)
                    .toList();

    /// The answers of each daemon, by case.
    private final Map<String, Map<String, List<String>>> answers = new LinkedHashMap<>();

    /// How many cases there are.
    int size() {
        return cases.size();
    }

    /// Runs every case.
    ///
    /// @param daemon what to call it
    void run(String daemon, Path socket) {
        Map<String, List<String>> byCase = new LinkedHashMap<>();
        for (ConformanceCase each : cases) {
            byCase.put(each.name(), each.run(socket));
        }
        answers.put(daemon, byCase);
    }

    /// The cases whose answers are not the same everywhere: for each, the daemons by what they say.
    public Map<String, Map<List<String>, List<String>>> differences() {
        Map<String, Map<List<String>, List<String>>> differences = new LinkedHashMap<>();
        for (ConformanceCase each : cases) {
            Map<List<String>, List<String>> speakers = new LinkedHashMap<>();
            answers.forEach((daemon, byCase) ->
                    speakers.computeIfAbsent(byCase.get(each.name()), lines -> new ArrayList<>())
                            .add(daemon));
            if (speakers.size() > 1) {
                differences.put(each.name(), speakers);
            }
        }
        return differences;
    }
}
