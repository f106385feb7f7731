package io.xenemu.core.cli;

import io.xenemu.core.control.ControlClient;
import io.xenemu.core.device.Terminal;
import io.xenemu.core.hypervisor.HostException;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
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
        if (!Terminal.showsErrors()) {
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

    private static String absolute(String file) {
        return file.equals(PIPE) ? file : Path.of(file).toAbsolutePath().toString();
    }

    @Command(name = "save", customSynopsis = "xen-emu save [OPTIONS] DOMAIN... FILE")
    static final class Save extends ServiceVerb {
        @Parameters(
                index = "0",
                paramLabel = "DOMAIN",
                description = "Its name or id. Several guests are saved in one file.")
        private String domain = "";

        @Parameters(
                index = "1..*",
                arity = "1..*",
                paramLabel = "FILE",
                description =
                        "On the service's host; replaced if it exists. - for standard output.")
        private List<String> furtherAndFile = List.of();

        @Option(
                names = {"-c", "--checkpoint"},
                description = "Let the guest go on: the file is a checkpoint.")
        private boolean checkpoint;

        @Option(
                names = "--checkpoint-every",
                paramLabel = "SECONDS",
                description =
                        "With -c: save the guest again and again, so many seconds from one begin to the next, until it is "
                                + "gone or this command is ended. FILE is always the last one that is whole.")
        private @Nullable Integer every;

        @Option(
                names = {"-p", "--paused"},
                description = "Leave the guest paused.")
        private boolean paused;

        @Option(
                names = "--suspend",
                description =
                        "Let the guest take part: its drivers suspend it first, and ask for everything anew when it goes "
                                + "on. So a guest with devices of driver domains can be saved, too.")
        private boolean suspend;

        @Override
        public Integer call() throws HostException, InterruptedException {
            String file = furtherAndFile.getLast();
            List<String> words = new ArrayList<>(List.of(verb(), domain, absolute(file)));
            if (checkpoint) {
                words.add("checkpoint");
            }
            if (paused) {
                words.add("paused");
            }
            if (suspend) {
                words.add("suspend");
            }
            if (every != null && (!checkpoint || paused || every < 1 || file.equals(PIPE))) {
                throw wrong("--checkpoint-every needs -c, at least 1 second, a file, and no -p");
            }
            if (file.equals(PIPE)) {
                words.add("socket");
                addFurther(words);
                return pipe(words);
            }
            addFurther(words);
            if (every != null) {
                return saveEvery(words, every);
            }
            save(words);
            return 0;
        }

        private void addFurther(List<String> words) {
            List<String> further = furtherAndFile.subList(0, furtherAndFile.size() - 1);
            if (!further.isEmpty()) {
                words.add("with");
                words.addAll(further);
            }
        }

        private Integer pipe(List<String> words) throws HostException {
            if (Terminal.showsOutput()) {
                throw new HostException("a saved guest is not written to a terminal");
            }
            ControlClient.streamed(
                            socket(),
                            words,
                            2,
                            System.in,
                            new FileOutputStream(FileDescriptor.out),
                            progress(verb()))
                    .forEach(System.err::println);
            return 0;
        }

        private void save(List<String> words) throws HostException {
            ControlClient.toldCommand(socket(), words, progress(verb()))
                    .forEach(System.out::println);
        }

        /// Saves again and again. A save that takes longer than the interval is followed by the next at once.
        private Integer saveEvery(List<String> words, int seconds)
                throws HostException, InterruptedException {
            long next = System.nanoTime();
            while (true) {
                save(words);
                next += TimeUnit.SECONDS.toNanos(seconds);
                long now = System.nanoTime();
                if (next - now > 0) {
                    TimeUnit.NANOSECONDS.sleep(next - now);
                } else {
                    next = now;
                }
            }
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
                List<String> _ =
                        ControlClient.streamed(
                                socket(), words, 1, System.in, null, progress(verb()));
            } else {
                List<String> _ = ControlClient.toldCommand(socket(), words, progress(verb()));
            }
            return 0;
        }
    }

    @Command(name = "clone")
    static final class Clone extends ServiceVerb {
        @Parameters(index = "0", paramLabel = "FILE", description = "On the service's host.")
        private String file = "";

        @Option(
                names = {"-n", "--count"},
                paramLabel = "N",
                defaultValue = "1",
                description = "How many clones. Default: ${DEFAULT-VALUE}.")
        private int count;

        @Option(
                names = "--name",
                paramLabel = "NAME",
                description =
                        "Their name, with -1, -2 and so on if there are several. Default: the saved guest's name with "
                                + "these numbers.")
        private @Nullable String name;

        @Option(
                names = {"-p", "--paused"},
                description = "Leave them paused.")
        private boolean paused;

        @Override
        public Integer call() throws HostException {
            List<String> words =
                    new ArrayList<>(List.of(verb(), absolute(file), Integer.toString(count)));
            if (paused) {
                words.add("paused");
            }
            if (name != null) {
                words.add(name);
            }
            ControlClient.toldCommand(socket(), words, ControlClient.Progress.IGNORED)
                    .forEach(System.out::println);
            return 0;
        }
    }
}
