package io.xenemu.core.startup;

import io.xenemu.core.cli.ExitCode;
import io.xenemu.core.cli.XenEmu;
import io.xenemu.core.control.ControlClient;
import io.xenemu.core.service.StoreSocketPath;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// Runs each command that asks a service and ends, once. The cache then has their classes and no more, since the JVM
/// takes in all of it at every start.
final class ClientTraining {
    /// The name of a guest that does not exist: a refused request uses the same classes as one that is carried out.
    private static final String GUEST = "none";

    private ClientTraining() {}

    /// @throws IOException if no service can be made at the sockets that the environment names
    static void run() throws IOException, InterruptedException {
        Path control = ControlClient.socket(null);
        Path store = StoreSocketPath.of(System.getenv());
        Process peer =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                AotTraining.class.getName(),
                                "peer",
                                control.toString(),
                                store.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        try {
            if (peer.getInputStream().read() < 0) {
                throw new IOException("the service to be trained with does not start");
            }
            ask(store.resolveSibling("dump").toString());
        } finally {
            peer.getOutputStream().close();
            peer.waitFor();
        }
    }

    private static void ask(String dump) {
        expect(0, "--version");
        expect(0, "--help");
        expect(0, "list", "--help");
        expect(0, "xenstore", "--help");
        expect(0, "events", "--help");
        expect(ExitCode.USAGE, "lsit");
        expect(ExitCode.USAGE, "list", "--none");
        expect(0, "list");
        for (String verb :
                List.of(
                        "list",
                        "domid",
                        "pause",
                        "unpause",
                        "shutdown",
                        "reboot",
                        "destroy",
                        "block-list",
                        "network-list")) {
            expect(ExitCode.HOST_ERROR, verb, GUEST);
        }
        expect(ExitCode.HOST_ERROR, "block-attach", GUEST, "/dev/null,raw,xvda,rw,backend=0");
        expect(ExitCode.HOST_ERROR, "block-detach", GUEST, "xvda");
        expect(ExitCode.HOST_ERROR, "network-attach", GUEST, "backend=0");
        expect(ExitCode.HOST_ERROR, "network-detach", GUEST, "0");
        expect(ExitCode.HOST_ERROR, "console", GUEST);
        expect(ExitCode.HOST_ERROR, "trigger", GUEST, "nmi");
        expect(ExitCode.HOST_ERROR, "create", "--name", GUEST, "--kernel", "/dev/null");
        expect(0, "debug-keys", "h");
        expect(0, "xenstore", "write", "/training/a", "value");
        expect(0, "xenstore", "read", "-p", "/training/a");
        expect(0, "xenstore", "list", "/training");
        expect(0, "xenstore", "exists", "/training");
        expect(0, "xenstore", "chmod", "/training", "n0");
        expect(0, "xenstore", "ls", "-f", "-p");
        expect(0, "xenstore", "watch", "-n", "1", "/training");
        expect(0, "xenstore", "dump", dump);
        expect(0, "xenstore", "restore", dump);
        expect(0, "xenstore", "rm", "/training");
    }

    /// Runs a command line and accepts no failure. A training that fails early would leave a useless cache unnoticed.
    private static void expect(int code, String... command) {
        int ended = XenEmu.execute(command);
        if (ended != code) {
            throw new IllegalStateException(
                    String.join(" ", command) + ": exit code " + ended + " in place of " + code);
        }
    }
}
