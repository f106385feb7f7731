package io.xenemu.it.lab;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabHangException;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import io.xenemu.core.lab.OfflineException;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.junit.platform.commons.support.ReflectionSupport;
import org.opentest4j.TestAbortedException;

/// Boots one lab machine for all tests of this JVM and gives it to tests as a parameter of type [Lab]. Where there can
/// be no lab, the tests are skipped and say why. With the environment variable `XEN_EMU_REQUIRE_LAB` they fail instead,
/// so that CI cannot pass without them. So it is with a test that needs a further package, without a network.
///
/// A machine that hangs is replaced, once in this JVM; the output counts it and tells what was seen. A test that has
/// the lab as a parameter begins anew in the other machine. Any other test fails, as all do at a second hang; the
/// failure gets what was seen of the machine. So do the further tests of a class with one instance for all of them,
/// which was made with the machine that hung; the next class has the other one.
public final class LabExtension
        implements ExecutionCondition,
                ParameterResolver,
                InvocationInterceptor,
                TestExecutionExceptionHandler {
    /// Outlives JUnit's own stores: with several JVMs, each test class is a run of its own.
    private static final Machine MACHINE = new Machine();

    /// The result of the last attempt to boot a machine.
    private sealed interface Attempt {}

    private record Booted(Lab lab) implements Attempt {}

    private record Failed(String reason) implements Attempt {}

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        if (hasFixtures(context.getTestMethod(), context.getTestInstanceLifecycle())) {
            requireSame(MACHINE.hang(), context.getDisplayName());
        }
        return switch (MACHINE.before(context.getDisplayName())) {
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

    /// Whether a test uses what its class has made in the machine.
    ///
    /// @param test empty for the class itself, which has made nothing yet
    static boolean hasFixtures(Optional<Method> test, Optional<TestInstance.Lifecycle> lifecycle) {
        return test.isPresent() && lifecycle.equals(Optional.of(TestInstance.Lifecycle.PER_CLASS));
    }

    /// Checks that the machine of a class is still there.
    ///
    /// @param hang what was seen of the machine if it hung
    static void requireSame(Optional<? extends Throwable> hang, String test) {
        hang.ifPresent(seen -> {
            throw new IllegalStateException(
                    test + " cannot begin: its class was made with a machine that hung", seen);
        });
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
    public void interceptTestMethod(
            Invocation<Void> test,
            ReflectiveInvocationContext<Method> method,
            ExtensionContext context)
            throws Throwable {
        intercept(test, method, context);
    }

    @Override
    public void interceptTestTemplateMethod(
            Invocation<Void> test,
            ReflectiveInvocationContext<Method> method,
            ExtensionContext context)
            throws Throwable {
        intercept(test, method, context);
    }

    private static void intercept(
            Invocation<Void> test,
            ReflectiveInvocationContext<Method> method,
            ExtensionContext context)
            throws Throwable {
        try {
            test.proceed();
        } catch (Throwable failure) {
            boolean hasLab = method.getArguments().stream().anyMatch(Lab.class::isInstance);
            if (!hasLab || !MACHINE.replaceAfter(failure, context.getDisplayName())) {
                throw failure;
            }
            ReflectionSupport.invokeMethod(
                    method.getExecutable(),
                    method.getTarget().orElse(null),
                    method.getArguments().stream().map(LabExtension::renewed).toArray());
        }
    }

    private static Object renewed(Object argument) {
        return argument instanceof Lab && MACHINE.get() instanceof Booted(Lab lab) ? lab : argument;
    }

    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure)
            throws Throwable {
        if (MACHINE.get() instanceof Booted(Lab lab)) {
            explain(failure, lab.machine().hang());
        }
        throw verdict(failure, isRequired(), context.getDisplayName());
    }

    /// Adds what was seen of a machine that hung, unless `failure` is that.
    static void explain(Throwable failure, Optional<? extends Throwable> hang) {
        hang.filter(seen -> !seen.equals(failure)).ifPresent(failure::addSuppressed);
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

        /// The machine for the next class or test: another one if this one hung.
        ///
        /// @param next has not begun
        synchronized Attempt before(String next) {
            replaceIfHung("before " + next);
            return get();
        }

        /// What was seen of the machine if it hung.
        Optional<? extends Throwable> hang() {
            return get() instanceof Booted(Lab lab) ? lab.machine().hang() : Optional.empty();
        }

        /// Whether there is another machine, since the one of a test that failed hung.
        synchronized boolean replaceAfter(Throwable failure, String test) {
            boolean replaced = replaceIfHung("in " + test + ", which begins anew");
            if (replaced) {
                System.out.println("lab: the end of " + test + " in that machine: " + failure);
            }
            return replaced && get() instanceof Booted;
        }

        private boolean replaceIfHung(String when) {
            if (!(get() instanceof Booted(Lab lab))
                    || lab.machine().hang().isEmpty()
                    || !mayReplace()) {
                return false;
            }
            countReplaced(when);
            lab.close();
            attempt = boot();
            return true;
        }

        private boolean mayReplace() {
            return replaced < MAX_REPLACED;
        }

        private void countReplaced(String when) {
            replaced++;
            System.out.printf(
                    "lab: machines that hung and were replaced: %d (the last one %s)%n",
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
