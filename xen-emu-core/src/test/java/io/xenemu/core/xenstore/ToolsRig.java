package io.xenemu.core.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.cli.ToolRunner;
import io.xenemu.core.cli.ToolRunner.Result;
import io.xenemu.core.cli.XenEmu;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Tool;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.StoreView;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import io.xenemu.xenstore.tree.Permissions;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/// Our commands and Debian's tools (package xenstore-utils), on one store.
abstract class ToolsRig {
    /// One socket for all tests, since one process runs most of our commands.
    @TempDir static Path sockets = Path.of("");

    static @Nullable ToolRunner ours;

    @TempDir Path folder = Path.of("");

    final XenStoreServer server =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    new AnyDomain(),
                    new XenStoreMetrics(new SimpleMeterRegistry()),
                    Runnable::run);

    /// Nodes may be given to owners of any id.
    static final class AnyDomain implements GuestDomains {
        @Override
        public boolean exists(DomId domain) {
            return true;
        }

        @Override
        public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
            throw XenError.ENOENT;
        }

        @Override
        public void released(DomId domain) {}
    }

    @BeforeAll
    static void startOurs() throws IOException {
        ours = ToolRunner.start(Map.of("XENSTORED_PATH", sockets.resolve("socket").toString()));
    }

    @AfterAll
    static void endOurs() {
        if (ours != null) {
            ours.close();
        }
    }

    @BeforeEach
    void listen() throws IOException {
        server.listen(sockets.resolve("socket"));
    }

    @AfterEach
    void close() {
        server.close();
    }

    Process start(List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(Redirect.DISCARD);
        builder.environment().put("XENSTORED_PATH", sockets.resolve("socket").toString());
        builder.environment().put("LC_ALL", "C.UTF-8");
        return builder.start();
    }

    Result run(List<String> command) throws IOException, InterruptedException {
        Process process = start(command);
        process.getOutputStream().close();
        byte[] output = process.getInputStream().readAllBytes();
        return new Result(process.waitFor(), new String(output, StandardCharsets.ISO_8859_1));
    }

    /// Runs our command in the process that all tests share.
    static Result ourRun(String tool, String... arguments) throws IOException {
        List<String> all = new ArrayList<>(List.of("xenstore", tool));
        all.addAll(List.of(arguments));
        return Objects.requireNonNull(ours).run(all);
    }

    /// The words that run our command in a process of its own.
    static List<String> ours(String tool, String... arguments) {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                ProcessHandle.current().info().command().orElseThrow(),
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                XenEmu.class.getName(),
                                "xenstore",
                                tool));
        command.addAll(List.of(arguments));
        return command;
    }

    static List<String> debians(String tool, String... arguments) {
        List<String> command =
                new ArrayList<>(List.of(Tool.need("xenstore-" + tool, "xenstore-utils")));
        command.addAll(List.of(arguments));
        return command;
    }

    /// Asserts that both print the same and exit with the same code.
    void assertSame(String tool, String... arguments) throws Exception {
        Result expected = run(debians(tool, arguments));
        assertEquals(expected, ourRun(tool, arguments), tool + " " + List.of(arguments));
    }

    void fill() throws XenError {
        StoreView store = server.client();
        for (String name : store.list("/")) {
            store.rm("/" + name);
        }
        store.write("/a", "");
        store.write("/a/b", "one");
        store.write("/a/b/c", "two");
        store.setPermissions("/a/b", Permissions.of("n5", "r3", "b7", "w2"));
        store.write("/long", "0123456789".repeat(10));
        store.write("/" + "name".repeat(25), "value");
        store.write("/deep" + "/x".repeat(40), "0123456789".repeat(3));
        store.write("/fits", "v".repeat(66));
        store.write("/cut", "v".repeat(70));
        store.writeBytes("/bytes", new byte[] {0, 1, 7, 8, 9, 10, 13, 31, '\\', '"', 127, -1, 'z'});
        store.writeBytes("/nuls", new byte[70]);
        store.write("/local/domain/0/name", "Domain-0");
        for (int i = 0; i < 600; i++) {
            store.write("/many/entry-" + i, "");
        }
    }
}
