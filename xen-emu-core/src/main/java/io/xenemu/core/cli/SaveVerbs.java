package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/// xl's verbs for saved guests. `-` is a pipe on standard output or input.
final class SaveVerbs {
    private static final String PIPE = "-";
    private static final long PERCENT = 100;

    private SaveVerbs() {}

    /// Writes the progress to a terminal.
    private static ControlClient.Progress progress(String verb) {
        if (!isTerminal()) {
            return ControlClient.Progress.IGNORED;
        }
        return (done, total) -> {
            if (total > 0) {
                System.err.printf("\r%s: %3d %%", verb, done * PERCENT / total);
                if (done == total) {
                    System.err.println();
                }
            }
        };
    }

    private static boolean isTerminal() {
        return Objects.requireNonNull(System.console()).isTerminal();
    }

    private static String absolute(String file) {
        return file.equals(PIPE) ? file : Path.of(file).toAbsolutePath().toString();
    }

    @Command(name = "save")
    static final class Save extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "DOMAIN", description = "Its name or id.")
        private String domain = "";

        @Parameters(
                index = "1",
                paramLabel = "FILE",
                description =
                        "On the service's host; replaced if it exists. - for standard output.")
        private String file = "";

        @Option(
                names = {"-c", "--checkpoint"},
                description = "Let the guest go on: the file is a checkpoint.")
        private boolean checkpoint;

        @Option(
                names = {"-p", "--paused"},
                description = "Leave the guest paused.")
        private boolean paused;

        @Override
        public Integer call() throws HostException {
            List<String> words = new ArrayList<>(List.of(verb(), domain, absolute(file)));
            if (checkpoint) {
                words.add("checkpoint");
            }
            if (paused) {
                words.add("paused");
            }
            if (!file.equals(PIPE)) {
                ControlClient.toldCommand(socket(), words, progress(verb()));
                return 0;
            }
            if (isTerminal()) {
                throw new HostException("a saved guest is not written to a terminal");
            }
            words.add("socket");
            ControlClient.streamed(
                    socket(),
                    words,
                    2,
                    System.in,
                    new FileOutputStream(FileDescriptor.out),
                    progress(verb()));
            return 0;
        }
    }

    @Command(name = "restore")
    static final class Restore extends ServiceVerb {
        @Parameters(
                index = "0",
                paramLabel = "FILE",
                description = "On the service's host. - for standard input.")
        private String file = "";

        @Option(
                names = {"-p", "--paused"},
                description = "Leave the guest paused.")
        private boolean paused;

        @Option(
                names = "--lazy",
                description =
                        "Let the guest go on at once; its memory comes from FILE while it runs. FILE is not changed "
                                + "until all has come. Not for a pipe.")
        private boolean lazy;

        @Option(
                names = "--clock",
                paramLabel = "stand-still|advance",
                defaultValue = "stand-still",
                description =
                        "What the guest's clock does for the time since the save. stand-still: it goes on where it stood, "
                                + "and its date is behind until it asks for the time. advance: its date is right, and "
                                + "its timers are due at once. Default: ${DEFAULT-VALUE}.")
        private String clock = "";

        @Override
        public Integer call() throws HostException {
            List<String> words = new ArrayList<>(List.of(verb(), absolute(file)));
            if (paused) {
                words.add("paused");
            }
            boolean isPipe = file.equals(PIPE);
            if (isPipe) {
                words.add("socket");
            }
            if (lazy) {
                words.add("lazy");
            }
            words.add(clock);
            if (isPipe) {
                ControlClient.streamed(socket(), words, 1, System.in, null, progress(verb()));
            } else {
                ControlClient.toldCommand(socket(), words, progress(verb()));
            }
            return 0;
        }
    }
}
