package io.xenemu.it.lab;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabHangException;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.core.lab.OfflineException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.opentest4j.TestAbortedException;

/// Boots one lab machine for all tests of this JVM and gives it to tests as a parameter of type [Lab]. Where there can
/// be no lab, the tests are skipped and say why. With the environment variable `XEN_EMU_REQUIRE_LAB` they fail instead,
/// so that CI cannot pass without them. So it is with a test that needs a further package, without a network.
///
/// A machine that hangs before the first test of a class has begun is replaced, once in this JVM; the output counts it.
/// Within a class it is not: the failure of the test gets what was seen of the machine.
public final class LabExtension
        implements ExecutionCondition, ParameterResolver, TestExecutionExceptionHandler {
    /// Outlives JUnit's own stores: with several JVMs, each test class is a run of its own.
    private static final Machine MACHINE = new Machine();

    /// The result of the last attempt to boot a machine.
    private sealed interface Attempt {}

    private record Booted(Lab lab) implements Attempt {}

    private record Failed(String reason) implements Attempt {}

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        Attempt attempt =
                context.getTestMethod().isEmpty()
                        ? MACHINE.beforeClass(context.getDisplayName())
                        : MACHINE.get();
        return switch (attempt) {
            case Booted _ -> ConditionEvaluationResult.enabled("the lab is up");
            case Failed(String reason) -> {
                if (isRequired()) {
                    throw new IllegalStateException("no lab: " + reason);
                }
                System.out.println("SKIPPED, no lab here: " + context.getDisplayName());
                yield ConditionEvaluationResult.disabled("no lab here: " + reason);
            }
        };
    }

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        return parameter.getParameter().getType() == Lab.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        return switch (MACHINE.get()) {
            case Booted(Lab lab) -> lab;
            case Failed(String reason) -> throw new ParameterResolutionException(reason);
        };
    }

    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure)
            throws Throwable {
        if (MACHINE.get() instanceof Booted(Lab lab)) {
            lab.machine().hang().ifPresent(failure::addSuppressed);
        }
        throw verdict(failure, isRequired(), context.getDisplayName());
    }

    /// The end of a test that threw `failure`: as it is, or a skip for want of a network.
    ///
    /// @param required whether a missing package is a failure
    static Throwable verdict(Throwable failure, boolean required, String name) {
        if (!(failure instanceof OfflineException) || required) {
            return failure;
        }
        System.out.println("SKIPPED, " + failure.getMessage() + ": " + name);
        return new TestAbortedException(failure.getMessage(), failure);
    }

    private static boolean isRequired() {
        return System.getenv("XEN_EMU_REQUIRE_LAB") != null;
    }

    /// The machine of this JVM.
    private static final class Machine {
        /// One that hangs is bad luck; a second one has a cause that has to be seen.
        private static final int MAX_REPLACED = 1;

        private @Nullable Attempt attempt;
        private int replaced;

        /// The machine, booted on first use.
        synchronized Attempt get() {
            Attempt made = attempt;
            if (made == null) {
                made = boot();
                attempt = made;
            }
            return made;
        }

        /// The machine for the next class: another one if this one hung.
        ///
        /// @param next the class whose tests have not begun
        synchronized Attempt beforeClass(String next) {
            if (get() instanceof Booted(Lab lab)) {
                Optional<LabHangException> hang = lab.machine().hang();
                if (hang.isPresent() && mayReplace()) {
                    countReplaced("before " + next);
                    lab.close();
                    attempt = boot();
                }
            }
            return get();
        }

        private boolean mayReplace() {
            return replaced < MAX_REPLACED;
        }

        private void countReplaced(String when) {
            replaced++;
            System.out.printf(
                    "lab: machines that hung before a test had begun, and were replaced: %d (the last one %s)%n",
                    replaced, when);
        }

        private Attempt boot() {
            Path checkout = Path.of("").toAbsolutePath().resolveSibling("");
            LabImages images =
                    new LabImages(
                            CacheFolder.of(System.getenv()),
                            line -> System.out.println("lab: " + line));
            try {
                prepareLauncher(checkout.resolve(Lab.LAUNCHER));
                Lab lab = new Lab(bootOrReplace(images), images, checkout);
                Runtime.getRuntime().addShutdownHook(new Thread(lab::close));
                return new Booted(lab);
            } catch (IOException e) {
                return new Failed(String.valueOf(e.getMessage()));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return new Failed("interrupted");
            }
        }

        private LabMachine bootOrReplace(LabImages images) throws IOException {
            try {
                return LabMachine.boot(images);
            } catch (LabHangException e) {
                if (!mayReplace()) {
                    throw e;
                }
                System.out.println("lab: " + e.getMessage());
                countReplaced("while it booted");
                return LabMachine.boot(images);
            }
        }
    }

    /// Inside the lab the checkout is read-only: what the launcher makes on first use has to be there.
    private static void prepareLauncher(Path launcher) throws IOException, InterruptedException {
        int status =
                new ProcessBuilder(launcher.toString(), "--version").inheritIO().start().waitFor();
        if (status != 0) {
            throw new IllegalStateException(launcher + " --version: exit status " + status);
        }
    }
}
