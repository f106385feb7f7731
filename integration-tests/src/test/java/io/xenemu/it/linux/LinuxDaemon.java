package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// A daemon in the lab, and what one asks it. Where a command would start a JVM, which the lab does slowly, its socket is
/// asked.
///
/// @param lab where it runs
/// @param daemon the process
/// @param socket its control socket
/// @param store its XenStore's socket
record LinuxDaemon(Lab lab, RunningCommand daemon, String socket, String store)
        implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofMinutes(4);

    private static final long POLL_MILLIS = 500;

    private static final String ASK =
            "$s = IO::Socket::UNIX->new(Peer => shift) or die; <$s>; print $s shift, \"\\n\";"
                    + " while (<$s>) { print; last unless /^\\|/ }";

    private static final String CONSOLE =
            "$s = IO::Socket::UNIX->new(Peer => shift) or die;"
                    + " sysread($s, $b, 1) or die until $b eq \"\\n\"; syswrite $s, \"console pv \" . shift() . \"\\n\";"
                    + " unless (fork) { syswrite $s, $b while sysread STDIN, $b, 4096; exit }"
                    + " syswrite STDOUT, $b while sysread $s, $b, 4096";

    private static final String METRICS = "127.0.0.1:9100";

    private static final String SCRAPE =
            "$s = IO::Socket::INET->new(shift) or die; print $s \"GET /metrics HTTP/1.0\\r\\n\\r\\n\"; print while <$s>";

    /// Starts one.
    ///
    /// @param folder for its sockets, in the machine
    static LinuxDaemon start(Lab lab, String folder) throws IOException, InterruptedException {
        String socket = folder + "/control";
        String store = folder + "/xenstore";
        RunningCommand daemon =
                lab.startRunning(
                        List.of(
                                lab.launcher().toString(),
                                "daemon",
                                "--control-socket",
                                socket,
                                "--xenstore-socket",
                                store,
                                "--metrics",
                                METRICS));
        lab.shell("while ! test -S " + socket + "; do sleep 0.2; done");
        return new LinuxDaemon(lab, daemon, socket, store);
    }

    /// `xen-emu create`.
    ///
    /// @param image arguments from [LinuxImages]
    void create(String name, List<String> image, String... more)
            throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of("--name", name));
        words.addAll(image);
        words.addAll(List.of(more));
        assertEquals("", run("create", words));
    }

    /// What a command of xen-emu's prints, which succeeds.
    String run(String verb, List<String> words) throws IOException, InterruptedException {
        Lab.Result result = exec(verb, words);
        assertEquals(new Lab.Result(0, result.stdout(), ""), result);
        return result.stdout();
    }

    /// Runs a command of xen-emu's.
    Lab.Result exec(String verb, List<String> words) throws IOException, InterruptedException {
        return lab.exec(LIMIT, command(verb, words));
    }

    /// The command line of a command of xen-emu's.
    List<String> command(String verb, List<String> words) {
        List<String> command =
                new ArrayList<>(List.of(lab.launcher().toString(), verb, "--socket", socket));
        command.addAll(words);
        return command;
    }

    /// A shell command whose xenstore-ls and the like are about this daemon's.
    String xenStore(String shellCommand) throws IOException, InterruptedException {
        return lab.shell("export XENSTORED_PATH=" + store + "; " + shellCommand);
    }

    /// A guest's console.
    RunningCommand console(String name) throws IOException {
        return lab.startRunning(List.of("perl", "-MIO::Socket::UNIX", "-e", CONSOLE, socket, name));
    }

    /// One request, as the commands send it: words of which each is percent-encoded.
    String ask(String request) throws IOException, InterruptedException {
        return lab.exec(LIMIT, List.of("perl", "-MIO::Socket::UNIX", "-e", ASK, socket, request))
                .stdout();
    }

    /// Waits until a meter, with its tags, has a value.
    void awaitMeter(String meter, String value) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        List<String> scrape = List.of("perl", "-MIO::Socket::INET", "-e", SCRAPE, METRICS);
        String meters = lab.exec(LIMIT, scrape).stdout();
        while (meters.lines().noneMatch((meter + " " + value)::equals)) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(meter + " is not " + value + ":\n" + meters);
            }
            Thread.sleep(POLL_MILLIS);
            meters = lab.exec(LIMIT, scrape).stdout();
        }
    }

    @Override
    public void close() {
        daemon.close();
    }
}
