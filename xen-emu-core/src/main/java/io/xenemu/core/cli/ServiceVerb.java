package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// A command that a running service knows by the same name.
@Command(sortOptions = false, usageHelpAutoWidth = true, mixinStandardHelpOptions = true)
abstract class ServiceVerb implements Callable<Integer> {
    @Spec private @Nullable CommandSpec spec;
    @Mixin private ServiceOption service = new ServiceOption();

    /// The verb's name.
    String verb() {
        if (spec == null) {
            throw new IllegalStateException("not a parsed command");
        }
        return spec.name();
    }

    /// The refusal of a command line that is wrong.
    ParameterException wrong(String message) {
        return WrongUse.of(spec, message);
    }

    /// The path of the service's socket.
    Path socket() {
        return service.path();
    }

    /// Makes the service carry out the verb with further words.
    ///
    /// @return the exit code
    /// @throws HostException when there is no service, or it refuses, with its reason
    Integer send(List<String> words) throws HostException {
        List<String> all = new ArrayList<>(List.of(verb()));
        all.addAll(words);
        return sendWords(all);
    }

    /// Makes the service carry out a request.
    ///
    /// @return the exit code
    /// @throws HostException when there is no service, or it refuses, with its reason
    Integer sendWords(List<String> words) throws HostException {
        service.command(words.toArray(String[]::new));
        return 0;
    }

    /// Makes the service carry out a request that waits for guests, without a time limit.
    ///
    /// @return the exit code
    /// @throws HostException when there is no service, or it refuses, with its reason
    Integer sendAndWait(List<String> words) throws HostException {
        service.patientCommand(words.toArray(String[]::new));
        return 0;
    }
}
