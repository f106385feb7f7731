package io.xenemu.core.guest;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.control.ControlClient;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.kvm.testing.TestJvm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/// A daemon on fake VMs that is a process of its own, so that a test can kill it. It runs the program of
/// [GuestAccount], and keeps the records of its migrations in a folder that the next process of its name finds.
final class KillableService implements AutoCloseable {
    private static final String READY = "ready";
    private static final String CREATE = "create";

    private final Path folder;
    private final String name;
    private final Process process;
    private final BufferedReader answers;
    private final PrintStream requests;

    /// Starts one, and waits until it serves.
    ///
    /// @param folder with the guest's kernel, disk and account, for both sides
    /// @param side 0 or 1
    KillableService(Path folder, int side) throws IOException {
        this.folder = folder;
        name = name(side);
        process =
                new ProcessBuilder(
                                TestJvm.command(
                                        KillableService.class,
                                        folder.toString(),
                                        Integer.toString(side)))
                        .redirectError(Redirect.appendTo(folder.resolve(name + ".log").toFile()))
                        .start();
        answers =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        requests = new PrintStream(process.getOutputStream(), true, StandardCharsets.UTF_8);
        expect(READY);
    }

    static String name(int side) {
        return "host-" + side;
    }

    private void expect(String answer) throws IOException {
        String line = answers.readLine();
        while (line != null && !line.equals(answer)) {
            line = answers.readLine();
        }
        if (line == null) {
            throw new IOException(name + " has ended: see its log");
        }
    }

    /// Starts the guest there.
    void create() throws IOException {
        requests.println(CREATE);
        expect(CREATE);
    }

    /// Runs an operator's command there, however long it takes.
    List<String> says(String... words) throws HostException {
        return ControlClient.patientCommand(folder.resolve(name), List.of(words));
    }

    /// What its operator is told of the last migration of the guest; empty if nothing is known there.
    String migration() throws HostException {
        List<String> rows = says("migrate-status");
        return rows.isEmpty() ? "" : rows.getLast();
    }

    /// Kills it as `kill -9` does. It may be dead already.
    void kill() {
        Process _ = process.destroyForcibly();
        Process _ = process.onExit().join();
    }

    @Override
    public void close() {
        kill();
    }

    /// The process.
    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        int side = Integer.parseInt(args[1]);
        CountedDisks disks = new CountedDisks();
        try (GuestAccount account = new GuestAccount(folder.resolve("account"));
                FakeDaemon daemon = new FakeDaemon(folder, name(side), disks.kind())) {
            daemon.fake
                    .domains()
                    .runs(running -> account.step(side, daemon.fake, running, disks.open() == 1));
            System.out.println(READY);
            BufferedReader requests =
                    new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            while (requests.readLine() != null) {
                daemon.guests.create(
                        WebGuest.request(
                                folder.resolve("kernel"),
                                EndActions.ONCE,
                                List.of(
                                        DiskSpec.parse(
                                                List.of(folder.resolve("disk") + ",raw,xvda,rw"))),
                                EngineMap.DEFAULT),
                        false);
                System.out.println(CREATE);
            }
        }
    }
}
