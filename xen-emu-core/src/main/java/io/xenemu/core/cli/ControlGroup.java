package io.xenemu.core.cli;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// The option that opens a service's control socket to a group.
final class ControlGroup {
    /// The option's name.
    static final String OPTION = "--control-group";

    @Option(
            names = OPTION,
            paramLabel = "GROUP",
            description =
                    "Let the members of this group use the control socket, too. They can do all that the service's own user can"
                            + " do with guests.")
    @Nullable String name;
}
