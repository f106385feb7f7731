package io.xenemu.core.cli;

import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.GuestSettings;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.xlcfg.XlCfg;
import io.xenemu.core.xlcfg.XlCfgException;
import io.xenemu.core.xlcfg.XlGuest;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;

/// A guest's configuration file, with the settings that the command line adds to it.
///
/// @param source the file's name
/// @param cfg what they have
record GuestFile(String source, XlCfg cfg) {
    /// Reads the file that a command line names.
    ///
    /// @param command has been parsed
    /// @param named the file of an option, or null
    /// @param words a file, unless an option names it, and settings
    /// @return null if the command line has neither a file nor settings
    /// @throws HostException if the file cannot be read, or is none
    static @Nullable GuestFile of(
            @Nullable CommandSpec command, @Nullable String named, List<String> words)
            throws HostException {
        if (named == null && words.isEmpty()) {
            return null;
        }
        String source = named;
        List<String> overrides = new ArrayList<>();
        for (String word : words) {
            if (word.contains("=")) {
                overrides.add(word);
            } else if (source == null) {
                source = word;
            } else {
                throw WrongUse.of(command, "a second configuration file: " + word);
            }
        }
        try {
            byte[] text = source == null ? new byte[0] : read(source);
            String name = source == null ? XlCfg.COMMAND_LINE : source;
            return new GuestFile(name, XlCfg.parse(name, text, overrides));
        } catch (XlCfgException e) {
            throw new HostException(e.getMessage());
        }
    }

    private static byte[] read(String file) throws HostException {
        try (InputStream in = Files.newInputStream(Path.of(file))) {
            // One more than is allowed, so that too large a file is noticed.
            return in.readNBytes(XlCfg.MAX_BYTES + 1);
        } catch (IOException e) {
            throw new HostException(IoReason.of(e), e);
        } catch (InvalidPathException e) {
            throw new HostException(file + ": not a path", e);
        }
    }

    /// The settings of the guest. Warnings go to standard error.
    ///
    /// @param quiet whether there are no warnings, and unknown settings are ignored
    /// @throws HostException if the file is wrong
    GuestSettings settings(boolean quiet) throws HostException {
        if (!quiet) {
            System.err.println("Parsing config from " + source);
        }
        try {
            XlGuest guest = XlGuest.of(cfg, Mistyped::similar, quiet);
            if (!quiet) {
                guest.warnings().forEach(System.err::println);
            }
            return guest.settings();
        } catch (XlCfgException e) {
            throw new HostException(e.getMessage());
        }
    }

    /// The guest of such settings.
    ///
    /// @throws HostException if there can be none
    GuestRequest request(GuestSettings settings) throws HostException {
        try {
            return XlGuest.request(cfg, source, settings);
        } catch (XlCfgException e) {
            throw new HostException(e.getMessage());
        }
    }
}
