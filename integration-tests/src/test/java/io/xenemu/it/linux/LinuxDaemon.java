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
record LinuxDaemon(Lab lab, RunningCommand daemon, String socket) implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofMinutes(4);

    private static final String ASK =
            "$s = IO::Socket::UNIX->new(Peer => shift) or die; print $s shift, \"\\n\";"
                    + " while (<$s>) { print; last unless /^\\|/ }";

    private static final String CONSOLE =
            "$s = IO::Socket::UNIX->new(Peer => shift) or die; syswrite $s, \"console pv \" . shift() . \"\\n\";"
                    + " unless (fork) { syswrite $s, $b while sysread STDIN, $b, 4096; exit }"
                    + " syswrite STDOUT, $b while sysread $s, $b, 4096";

    /// Starts one.
    ///
    /// @param folder for its sockets, in the machine
    static LinuxDaemon start(Lab lab, String folder) throws IOException, InterruptedException {
        String socket = folder + "/control";
        RunningCommand daemon =
                lab.startRunning(
                        List.of(
                                lab.launcher().toString(),
                                "daemon",
                                "--control-socket",
                                socket,
                                "--xenstore-socket",
                                folder + "/xenstore"));
        lab.shell("while ! test -S " + socket + "; do sleep 0.2; done");
        return new LinuxDaemon(lab, daemon, socket);
    }

    /// `xen-emu create`.
    ///
    /// @param image arguments from [LinuxImages]
    void create(String name, List<String> image) throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(List.of(lab.launcher().toString(), "create", "--socket", socket));
        command.addAll(List.of("--name", name));
        command.addAll(image);
        assertEquals(new Lab.Result(0, "", ""), lab.exec(LIMIT, command));
    }

    /// A guest's console.
    RunningCommand console(String name) throws IOException {
        return lab.startRunning(List.of("perl", "-MIO::Socket::UNIX", "-e", CONSOLE, socket, name));
    }

    /// One request, as the commands send it.
    String ask(String request) throws IOException, InterruptedException {
        return lab.exec(LIMIT, List.of("perl", "-MIO::Socket::UNIX", "-e", ASK, socket, request))
                .stdout();
    }

    @Override
    public void close() {
        daemon.close();
    }
}
