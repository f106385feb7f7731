package io.xenemu.it.program;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.launcher.EngineFilter.includeEngines;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/// Runs the test classes that its arguments name, and prints how many tests succeeded, were skipped, and failed, and
/// the failures. Exits with 0 if none failed.
public final class JUnitInLab {
    private JUnitInLab() {}

    public static void main(String[] classes) {
        SummaryGeneratingListener listener = new SummaryGeneratingListener();
        LauncherFactory.create()
                .execute(
                        LauncherDiscoveryRequestBuilder.request()
                                .selectors(
                                        Arrays.stream(classes)
                                                .map(name -> selectClass(name))
                                                .toList())
                                // jqwik's engine wants to write into its working folder.
                                .filters(includeEngines("junit-jupiter"))
                                .build(),
                        listener);
        TestExecutionSummary summary = listener.getSummary();
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        summary.printFailuresTo(out);
        out.printf(
                "junit: %d succeeded, %d skipped, %d failed%n",
                summary.getTestsSucceededCount(),
                summary.getTestsFoundCount()
                        - summary.getTestsStartedCount()
                        + summary.getTestsAbortedCount(),
                summary.getTotalFailureCount());
        System.exit(summary.getTotalFailureCount() == 0 ? 0 : 1);
    }
}
