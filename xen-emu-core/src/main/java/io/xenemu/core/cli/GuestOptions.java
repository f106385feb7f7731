package io.xenemu.core.cli;

import com.google.common.collect.ImmutableListMultimap;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.GuestSetting;
import io.xenemu.core.guest.GuestSettings;
import io.xenemu.core.guest.SettingType;
import io.xenemu.core.guest.WrongSetting;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.IModelTransformer;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.TypeConversionException;

/// Adds a guest's options to a command, from the table of settings ([GuestSetting]).
final class GuestOptions implements IModelTransformer {
    private static final String SOCKET = "--socket";

    @Override
    public CommandSpec transform(CommandSpec command) {
        // Help shows the service's socket first, then these options, then the command's own.
        List<OptionSpec> own = new ArrayList<>(command.options());
        own.removeIf(option -> option.longestName().equals(SOCKET));
        own.forEach(command::remove);
        for (GuestSetting setting : GuestSetting.values()) {
            if (!setting.option().isEmpty()) {
                command.addOption(option(setting));
            }
        }
        own.forEach(command::addOption);
        return command;
    }

    private static OptionSpec option(GuestSetting setting) {
        String initial = setting.initial();
        OptionSpec.Builder option = OptionSpec.builder(setting.option()).required(initial == null);
        String help = setting.help();
        switch (setting.type()) {
            case FLAG -> option.type(boolean.class).arity("0");
            case LIST ->
                    option.type(List.class)
                            .auxiliaryTypes(String.class)
                            .arity("1")
                            .paramLabel(setting.label());
            case TEXT, FILE, NUMBER, MEMORY, VERSION, UUID, ACTION, RESET_ACTION -> {
                option.type(String.class)
                        .arity("1")
                        .paramLabel(setting.label())
                        .converters(checked(setting.type()));
                if (initial != null && !initial.isEmpty()) {
                    option.defaultValue(initial);
                    help += " Default: ${DEFAULT-VALUE}.";
                }
            }
        }
        return option.description(help).build();
    }

    private static ITypeConverter<String> checked(SettingType type) {
        return text -> {
            try {
                type.check(text);
                return text;
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        };
    }

    /// The guest that a command was asked for.
    ///
    /// @param command has been parsed
    /// @param settings those of the command
    /// @throws ParameterException for a value that is not possible
    static GuestRequest request(CommandSpec command, GuestSettings settings) {
        try {
            return settings.request();
        } catch (WrongSetting e) {
            throw new ParameterException(command.commandLine(), e.byOption());
        }
    }

    /// The settings of a file, with those that a command was given in their place.
    ///
    /// @param command has been parsed
    static GuestSettings overriding(CommandSpec command, GuestSettings file) {
        ParseResult given = command.commandLine().getParseResult();
        GuestSettings all = file;
        for (GuestSetting setting : GuestSetting.values()) {
            if (!setting.option().isEmpty() && given.hasMatchedOption(setting.option())) {
                Object value = command.findOption(setting.option()).getValue();
                all =
                        all.with(
                                setting,
                                value instanceof List<?> list
                                        ? list.stream().map(Object::toString).toList()
                                        : List.of(String.valueOf(value)));
            }
        }
        return all;
    }

    /// Checks a guest's files, but not those of a device model, which the service looks for.
    ///
    /// @param command has been parsed
    /// @throws ParameterException for a device model that is not possible
    /// @throws BootException when a file is no kernel, or cannot be read, or does not fit into the guest
    static void check(CommandSpec command, GuestSettings settings, GuestRequest request)
            throws BootException {
        try {
            if (settings.deviceModel() == null) {
                request.check();
            }
        } catch (WrongSetting e) {
            throw new ParameterException(command.commandLine(), e.byOption());
        }
    }

    /// The settings that a command was given.
    ///
    /// @param command has been parsed
    /// @param reboot whether the guest may reboot
    static GuestSettings settings(CommandSpec command, boolean reboot) {
        ImmutableListMultimap.Builder<GuestSetting, String> values =
                ImmutableListMultimap.builder();
        for (GuestSetting setting : GuestSetting.values()) {
            if (setting.option().isEmpty()) {
                continue;
            }
            Object value = command.findOption(setting.option()).getValue();
            if (value instanceof List<?> all) {
                all.forEach(one -> values.put(setting, one.toString()));
            } else if (value != null) {
                values.put(setting, value.toString());
            }
        }
        GuestSettings settings = new GuestSettings(values.build());
        return reboot ? settings : settings.withoutReboot();
    }
}
