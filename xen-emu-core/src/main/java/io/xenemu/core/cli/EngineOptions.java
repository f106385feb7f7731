package io.xenemu.core.cli;

import io.xenemu.core.backend.engine.EngineSpec;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// The option that defines the engines of a service.
final class EngineOptions {
    private static final String OPTION = "--engine";

    @Spec(Spec.Target.MIXEE)
    private @Nullable CommandSpec command;

    @Option(
            names = OPTION,
            paramLabel = "CLASS:INSTANCE[,cpus=LIST]",
            description =
                    "Define an engine, a thread that serves devices, and perhaps its CPUs: block:0,cpus=2-3. May be repeated."
                            + " Default for each class that no option names: block and net as many as CPUs, 2 to 4; 9p 4.")
    private List<String> engines = new ArrayList<>();

    /// The engines of the service.
    ///
    /// @throws ParameterException for a definition that is wrong or repeated, or too many
    List<EngineSpec> engines() {
        try {
            return EngineSpec.withDefaults(
                    engines.stream().map(EngineSpec::parse).toList(),
                    Runtime.getRuntime().availableProcessors());
        } catch (IllegalArgumentException e) {
            if (command == null) {
                throw new IllegalStateException("not a parsed command", e);
            }
            throw new ParameterException(command.commandLine(), OPTION + ": " + e.getMessage(), e);
        }
    }
}
