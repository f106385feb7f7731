package io.xenemu.kvm.hang;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/// Ends tests that hang, of every engine. JUnit Jupiter's time-outs interrupt a test. But jqwik's properties and
/// ArchUnit's rules have none, and a loop that spins or a read from a child process sees no interrupt. The watch
/// measures the time since a test last began or ended:
/// - after Jupiter's default time-out it prints all threads and interrupts what runs under another engine, once a
///   second;
/// - after `io.xenemu.hang.limit.seconds` it prints all threads, names the test, and kills this JVM's child processes;
/// - 15 s later it ends the JVM, which Surefire and Failsafe report as a failure.
///
/// The launcher finds it by `META-INF/services`. It does nothing where a debugger is attached.
public final class HangWatch implements TestExecutionListener {
    static final String SOFT_LIMIT = "junit.jupiter.execution.timeout.default";
    static final String HARD_LIMIT = "io.xenemu.hang.limit.seconds";

    /// As `timeout` of coreutils.
    static final int EXIT_STATUS = 124;

    /// For a test that read from a child process to fail by itself.
    static final Duration GRACE = Duration.ofSeconds(15);

    private static final Duration LOOK = Duration.ofSeconds(1);

    private final PrintStream out;
    private final LongSupplier nanos;
    private final Runnable killChildren;
    private final Runnable end;
    private final AtomicBoolean stopped = new AtomicBoolean();
    private Duration soft = Duration.ZERO;
    private Duration hard = Duration.ZERO;
    private State state;

    /// The running test, its start and its thread.
    ///
    /// @param told how often it was told of: after the first limit, and after the second
    private record State(String name, boolean jupiter, Thread thread, long since, int told) {
        State toldOnceMore() {
            return new State(name, jupiter, thread, since, told + 1);
        }
    }

    /// For the launcher.
    public HangWatch() {
        // A test may have replaced System.err, and may hold its lock.
        this(
                new PrintStream(new FileOutputStream(FileDescriptor.err), true),
                System::nanoTime,
                () -> ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly),
                () -> Runtime.getRuntime().halt(EXIT_STATUS));
    }

    HangWatch(PrintStream out, LongSupplier nanos, Runnable killChildren, Runnable end) {
        this.out = out;
        this.nanos = nanos;
        this.killChildren = killChildren;
        this.end = end;
        this.state = idle("nothing");
    }

    @Override
    public void testPlanExecutionStarted(TestPlan plan) {
        var parameters = plan.getConfigurationParameters();
        begin(
                parameters.get(SOFT_LIMIT, HangWatch::seconds).orElse(Duration.ZERO),
                parameters.get(HARD_LIMIT, HangWatch::seconds).orElse(Duration.ZERO));
        if (!hard.isZero() && !debugged()) {
            Thread.ofPlatform().name("hang-watch").daemon().start(this::watch);
        }
    }

    /// Sets the limits; zero for none.
    synchronized void begin(Duration softLimit, Duration hardLimit) {
        soft = softLimit;
        hard = hardLimit;
        state = idle("the beginning");
    }

    @Override
    public void testPlanExecutionFinished(TestPlan plan) {
        stopped.set(true);
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        began(test.getUniqueId());
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        ended(test.getUniqueId());
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        ended(test.getUniqueId());
    }

    /// Something began, in this thread.
    synchronized void began(String id) {
        state =
                new State(
                        id,
                        id.startsWith("[engine:junit-jupiter]"),
                        Thread.currentThread(),
                        nanos.getAsLong(),
                        0);
    }

    /// Something ended, in this thread.
    synchronized void ended(String id) {
        if (state.told() > 0 && !state.jupiter()) {
            // The interrupt was for what has ended, not for what comes next.
            Thread.interrupted();
        }
        state = idle("what follows " + id);
    }

    private State idle(String name) {
        return new State(name, true, Thread.currentThread(), nanos.getAsLong(), 0);
    }

    private void watch() {
        try {
            while (!stopped.get()) {
                Thread.sleep(LOOK);
                look();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Looks once.
    synchronized void look() {
        Duration silent = Duration.ofNanos(nanos.getAsLong() - state.since());
        if (silent.compareTo(hard.plus(GRACE)) >= 0) {
            tell("HANG: %s took longer than %d s; this JVM ends", hard.plus(GRACE));
            end.run();
        } else if (silent.compareTo(hard) >= 0) {
            if (state.told() < 2) {
                tell("HANG: %s took longer than %d s; child processes are killed", hard);
                killChildren.run();
                state = state.toldOnceMore().toldOnceMore();
            }
        } else if (!soft.isZero() && silent.compareTo(soft) >= 0 && !state.jupiter()) {
            if (state.told() < 1) {
                tell("TIMEOUT: %s took longer than %d s and is interrupted", soft);
                state = state.toldOnceMore();
            }
            state.thread().interrupt();
        }
    }

    private void tell(String format, Duration limit) {
        StringBuilder text = new StringBuilder();
        text.append(format.formatted(state.name(), limit.toSeconds())).append('\n');
        for (Map.Entry<Thread, StackTraceElement[]> each : Thread.getAllStackTraces().entrySet()) {
            Thread thread = each.getKey();
            text.append("\n\"%s\" %s\n".formatted(thread.getName(), thread.getState()));
            for (StackTraceElement frame : each.getValue()) {
                text.append("    at ").append(frame).append('\n');
            }
        }
        out.println(text);
    }

    private static Duration seconds(String value) {
        return Duration.ofSeconds(Long.parseLong(value));
    }

    private static boolean debugged() {
        return ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .anyMatch(argument ->
                        argument.startsWith("-agentlib:jdwp") || argument.startsWith("-Xrunjdwp"));
    }
}
