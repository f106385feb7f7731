package io.xenemu.it.start;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.startup.TrainingKernel;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A start runs no process but java, reads no class from a jar, and has the options that the command needs. Natively;
/// needs no KVM.
@Timeout(value = 2, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class LauncherIT {
    private static final String GREETING =
            "{\"xen-emu\": {\"protocol\": 2, \"version\": \"0.1\"}}\n";
    private static final Pattern COMMAND = Pattern.compile("^  ([a-z][a-z-]*)( .*)?$");

    /// Proxies that no cache holds: picocli reads seven kinds of annotations.
    private static final int PROXIES = 7;

    /// Method handles' forms that no cache holds, for picocli's access to fields. Builds of JDK 25 differ: 7 to 9 were
    /// seen. Converting a path by reflection made four more.
    private static final int FORMS = 12;

    @TempDir private Path folder = Path.of("");

    /// Lines of a log of loaded classes for those that no cache had.
    private static List<String> fromJars(Path classes) throws IOException {
        return Files.readAllLines(classes).stream()
                .filter(line -> line.contains(" source: file:"))
                .toList();
    }

    /// Lines for classes that the JVM has made for code of ours, for lambdas or switches by type that training missed.
    private static List<String> madeForOurs(Path classes) throws IOException {
        return Files.readAllLines(classes).stream()
                .filter(line -> line.contains("] io.xenemu.") && !line.contains(" source: shared "))
                .toList();
    }

    /// Lines for classes that reflection has the JVM make, as `source` names their origin.
    private static List<String> madeByReflection(Path classes, String source) throws IOException {
        return Files.readAllLines(classes).stream()
                .filter(line -> line.contains("source: " + source))
                .toList();
    }

    private LaunchedCommand launch(Map<String, String> environment, String... arguments)
            throws IOException, InterruptedException {
        return LaunchedCommand.run(LaunchedCommand.DISTRIBUTION, environment, folder, arguments);
    }

    @Test
    void noProcessButJavaIsStarted() throws IOException, InterruptedException {
        LaunchedCommand version = launch(Map.of(), "--version");

        assertEquals(List.of(), version.stderr());
        assertEquals(0, version.exitCode());
        assertTrue(
                version.stdout().getFirst().matches("xen-emu 0\\.1, commit [0-9a-f]+(-dirty)?"),
                version.toString());
    }

    /// Serves one `list` as a service without guests.
    private static Thread answerOnce(ServerSocketChannel listener) {
        return Thread.ofVirtual()
                .start(() -> {
                    try (SocketChannel client = listener.accept()) {
                        client.write(UTF_8.encode(GREETING));
                        client.read(ByteBuffer.allocate(100));
                        client.write(
                                UTF_8.encode("{\"id\": 1, \"result\": {\"text\": [\"Name\"]}}\n"));
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                });
    }

    @Test
    void noClassOfListComesFromAJar() throws IOException, InterruptedException {
        Path socket = folder.resolve("control");
        Path classes = folder.resolve("classes");
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(socket));
            Thread service = answerOnce(listener);
            LaunchedCommand list =
                    launch(
                            Map.of("XEN_EMU_JAVA_OPTS", "-Xlog:class+load:file=" + classes),
                            "list",
                            "-s",
                            socket.toString());
            assertEquals(List.of("Name"), list.stdout(), list.toString());
            service.join();
        }

        assertEquals(List.of(), fromJars(classes));
        assertTrue(Files.readString(classes).contains(" picocli.CommandLine source: shared "));
        assertEquals(List.of(), madeForOurs(classes));
        List<String> proxies = madeByReflection(classes, "__dynamic_proxy__");
        assertTrue(proxies.size() <= PROXIES, proxies.toString());
        List<String> forms = madeByReflection(classes, "__JVM_LookupDefineClass__");
        assertTrue(forms.size() <= FORMS, forms.toString());
    }

    @Test
    void noClassOfAServiceThatStartsComesFromAJar() throws IOException, InterruptedException {
        Path socket = folder.resolve("store");
        Path classes = folder.resolve("classes");
        Process service =
                LaunchedCommand.builder(
                                LaunchedCommand.DISTRIBUTION,
                                Map.of("XEN_EMU_JAVA_OPTS", "-Xlog:class+load:file=" + classes),
                                "xenstored",
                                "--socket",
                                socket.toString())
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
        try {
            while (!Files.exists(socket)) {
                assertTrue(service.isAlive(), "it has ended");
                Thread.sleep(10);
            }
            LaunchedCommand ls =
                    launch(Map.of("XENSTORED_PATH", socket.toString()), "xenstore", "ls");
            assertEquals(0, ls.exitCode(), ls.toString());
        } finally {
            service.destroy();
            service.waitFor();
        }
        assertEquals(List.of(), fromJars(classes));
    }

    @Test
    void noClassOfARunComesFromAJar() throws IOException, InterruptedException {
        Path classes = folder.resolve("classes");
        Path kernel = Files.write(folder.resolve("kernel"), TrainingKernel.image());

        // Gets as far as KVM lets it.
        LaunchedCommand _ =
                launch(
                        Map.of("XEN_EMU_JAVA_OPTS", "-Xlog:class+load:file=" + classes),
                        "run",
                        "--lab",
                        "never",
                        "--timeout",
                        "1",
                        "--kernel",
                        kernel.toString());

        assertEquals(List.of(), fromJars(classes));
        assertTrue(
                Files.readString(classes)
                        .contains(" io.xenemu.core.hypervisor.HostKvm source: shared "));
    }

    @Test
    void distributionMayBeMoved() throws IOException, InterruptedException {
        Path moved = folder.resolve("opt");
        Process copy =
                new ProcessBuilder(
                                "cp",
                                "-Rp",
                                LaunchedCommand.DISTRIBUTION.toString(),
                                moved.toString())
                        .start();
        assertEquals(0, copy.waitFor());
        Path classes = folder.resolve("classes");

        LaunchedCommand version =
                LaunchedCommand.run(
                        moved,
                        Map.of("XEN_EMU_JAVA_OPTS", "-Xlog:class+load:file=" + classes),
                        folder,
                        "--version");

        assertEquals(0, version.exitCode(), version.toString());
        assertEquals(List.of(), fromJars(classes));
    }

    /// The options that a JDK is started with which is none: it prints its arguments.
    private List<String> options(Map<String, String> more, String... arguments)
            throws IOException, InterruptedException {
        Path jdk = folder.resolve("jdk");
        Path java = jdk.resolve("bin/java");
        if (!Files.exists(java)) {
            Files.createDirectories(java.getParent());
            Files.writeString(
                    jdk.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"25.0.1\"\n");
            Files.writeString(java, "#!/bin/sh\nfor a; do echo \"$a\"; done\n");
            assertTrue(java.toFile().setExecutable(true));
        }
        Map<String, String> environment = new HashMap<>(more);
        environment.put("JAVA_HOME", jdk.toString());
        LaunchedCommand command = launch(environment, arguments);
        assertEquals(0, command.exitCode(), command.toString());
        List<String> all = command.stdout();
        return all.subList(0, all.indexOf("io.xenemu.core.cli.XenEmu"));
    }

    /// The subcommands, as the help lists them.
    private List<String> commands() throws IOException, InterruptedException {
        List<String> help = launch(Map.of(), "--help").stdout();
        return help.subList(help.indexOf("Commands:") + 1, help.size()).stream()
                .map(COMMAND::matcher)
                .filter(Matcher::matches)
                .map(line -> line.group(1))
                .toList();
    }

    @Test
    void beginningOfACommandGetsTheOptionsOfTheWhole() throws IOException, InterruptedException {
        List<String> commands = commands();
        assertTrue(commands.contains("daemon"), commands.toString());
        for (String command : commands) {
            List<String> whole = options(Map.of(), command);
            for (int end = 1; end < command.length(); end++) {
                String beginning = command.substring(0, end);
                List<String> meant =
                        commands.stream().filter(it -> it.startsWith(beginning)).toList();
                if (meant.size() == 1) {
                    assertEquals(whole, options(Map.of(), beginning), beginning);
                }
            }
        }
    }

    @Test
    void servicesAndCommandsHaveCachesAndOptionsOfTheirOwn()
            throws IOException, InterruptedException {
        String cache = "-XX:AOTCache=" + LaunchedCommand.DISTRIBUTION + "/lib/";
        Map<String, String> services =
                Map.of(
                        "run", "service",
                        "demo", "service",
                        "daemon", "service",
                        "xenstored", "store");
        for (Map.Entry<String, String> service : services.entrySet()) {
            List<String> options = options(Map.of(), service.getKey());
            assertTrue(options.contains(cache + service.getValue() + ".aot"), options.toString());
            assertFalse(options.contains("-XX:TieredStopAtLevel=1"), options.toString());
        }
        for (String client : List.of("list", "xenstore", "--help", "--version")) {
            List<String> options = options(Map.of(), client);
            assertTrue(options.contains(cache + "client.aot"), options.toString());
            assertTrue(options.contains("-XX:TieredStopAtLevel=1"), options.toString());
        }
        assertNotEquals(options(Map.of(), "daemon"), options(Map.of(), "run"));
        List<String> more =
                options(Map.of("XEN_EMU_LAB_SHARE", "/x", "XEN_EMU_JAVA_OPTS", "-Xa -Xb"), "run");
        assertTrue(
                more.containsAll(List.of("-XX:TieredStopAtLevel=1", "-Xa", "-Xb")),
                more.toString());
    }

    @Test
    void whatAGuestPassesThroughIsCompiledSoon() throws IOException, InterruptedException {
        for (String carrier :
                List.of("migrate", "migrate-receive", "migrate-recover", "evacuate")) {
            List<String> options = options(Map.of(), carrier);
            assertFalse(options.contains("-XX:TieredStopAtLevel=1"), options.toString());
            assertFalse(options.contains("-XX:CompileThresholdScaling=10"), options.toString());
        }
        List<String> pages = options(Map.of(), "page-server");
        assertTrue(pages.contains("-XX:TieredStopAtLevel=1"), pages.toString());
        assertFalse(pages.contains("-XX:CompileThresholdScaling=10"), pages.toString());
    }
}
