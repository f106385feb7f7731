package io.xenemu.it.lab;

import io.xenemu.core.lab.CacheFolder;
import io.xenemu.core.lab.LabImages;
import io.xenemu.core.lab.LabMachine;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.ParameterResolver;

/// Boots one lab machine for the whole suite and gives it to tests as a parameter of type {@link Lab}. Where there can be no lab, the tests are skipped and
/// say why; with the environment variable `XEN_EMU_REQUIRE_LAB` set they fail instead, so that CI cannot pass without them.
public final class LabExtension implements ExecutionCondition, ParameterResolver {
    private static final ExtensionContext.Namespace NAMESPACE =
            ExtensionContext.Namespace.create(LabExtension.class);

    /// What came of the one attempt to boot a machine.
    private sealed interface Attempt {}

    private record Booted(Lab lab) implements Attempt, AutoCloseable {
        @Override
        public void close() {
            lab.close();
        }
    }

    private record Failed(String reason) implements Attempt {}

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        return switch (attempt(context)) {
            case Booted _ -> ConditionEvaluationResult.enabled("the lab is up");
            case Failed(String reason) -> {
                if (System.getenv("XEN_EMU_REQUIRE_LAB") != null) {
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
        return switch (attempt(context)) {
            case Booted(Lab lab) -> lab;
            case Failed(String reason) -> throw new ParameterResolutionException(reason);
        };
    }

    private static Attempt attempt(ExtensionContext context) {
        // The root's store lives as long as the suite, and closes what is in it.
        return context.getRoot()
                .getStore(NAMESPACE)
                .getOrComputeIfAbsent(Attempt.class, _ -> boot(), Attempt.class);
    }

    private static Attempt boot() {
        Path checkout = Path.of("").toAbsolutePath().resolveSibling("");
        LabImages images =
                new LabImages(
                        CacheFolder.of(System.getenv()),
                        line -> System.out.println("lab: " + line));
        Path launcher = checkout.resolve(Lab.LAUNCHER);
        try {
            prepareLauncher(launcher);
            return new Booted(new Lab(LabMachine.boot(images), images, checkout));
        } catch (IOException e) {
            return new Failed(String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new Failed("interrupted");
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
