package io.xenemu.it.lab;

import com.google.common.base.Supplier;
import com.google.common.base.Suppliers;
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

/// Boots one lab machine for all tests of this JVM and gives it to tests as a parameter of type {@link Lab}. Where there can be no lab, the tests are skipped and
/// say why; with the environment variable `XEN_EMU_REQUIRE_LAB` set they fail instead, so that CI cannot pass without them.
public final class LabExtension implements ExecutionCondition, ParameterResolver {
    /// Outlives JUnit's own stores: with several JVMs, each test class is a run of its own.
    private static final Supplier<Attempt> MACHINE = Suppliers.memoize(LabExtension::boot);

    /// What came of the one attempt to boot a machine.
    private sealed interface Attempt {}

    private record Booted(Lab lab) implements Attempt {}

    private record Failed(String reason) implements Attempt {}

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        return switch (MACHINE.get()) {
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
        return switch (MACHINE.get()) {
            case Booted(Lab lab) -> lab;
            case Failed(String reason) -> throw new ParameterResolutionException(reason);
        };
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
            Lab lab = new Lab(LabMachine.boot(images), images, checkout);
            Runtime.getRuntime().addShutdownHook(new Thread(lab::close));
            return new Booted(lab);
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
