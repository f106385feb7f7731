package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.block.BlockKind;
import io.xenemu.core.backend.block.DiskChecker;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.nbd.NbdOpener;
import io.xenemu.core.cli.ToolRunner;
import io.xenemu.core.cli.XenEmu;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.startup.TrainingKernel;
import io.xenemu.core.toolstack.DeviceSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/// Two services on fake VMs, each with a control socket, and the second one as another host for the commands of the
/// first one.
final class TwoServices implements AutoCloseable {
    final FakeHypervisor here;
    final FakeHypervisor there;
    final HostedGuests guests;
    final HostedGuests guestsThere;
    private final Path folder;
    private final ToolRunner tool;
    private final FakeDaemon daemon;
    private final FakeDaemon daemonThere;

    /// @param folder empty
    /// @param tool runs the commands
    TwoServices(Path folder, ToolRunner tool) throws IOException {
        this.folder = folder;
        this.tool = tool;
        daemon = new FakeDaemon(folder, "here", disks());
        daemonThere = new FakeDaemon(folder, "there", disks());
        here = daemon.fake;
        there = daemonThere.fake;
        guests = daemon.guests;
        guestsThere = daemonThere.guests;
        Files.write(folder.resolve("kernel"), TrainingKernel.image());
        Files.createFile(
                folder.resolve("host"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        Files.writeString(
                folder.resolve("host"),
                "#!/bin/sh\nexec %s -XX:TieredStopAtLevel=1 -cp '%s' %s migrate-receive --socket %s\n"
                        .formatted(
                                ProcessHandle.current().info().command().orElseThrow(),
                                System.getProperty("java.class.path"),
                                XenEmu.class.getName(),
                                folder.resolve("there")));
    }

    private static BlockKind disks() {
        return new BlockKind(
                new NbdOpener(new SimpleMeterRegistry()),
                DiskChecker.FILE,
                new SimpleMeterRegistry());
    }

    GuestRequest request(String name, DeviceSpec... devices) {
        GuestRequest request =
                WebGuest.request(
                        folder.resolve("kernel"),
                        EndActions.DEFAULT,
                        List.of(devices),
                        EngineMap.DEFAULT);
        return name.equals("web")
                ? request
                : request.sibling(name, folder.resolve("kernel").toString());
    }

    /// Starts a guest here.
    Domain create(String name, DeviceSpec... devices) throws Exception {
        guests.create(request(name, devices), false);
        return here.next();
    }

    /// The name of the other host on the command line.
    String host() {
        return folder.resolve("host").toString();
    }

    /// Runs a command here.
    ///
    /// @param exit the code that it has to end with
    /// @param lines all that it has to print on standard error
    /// @return its standard output
    String assertSays(int exit, String lines, String verb, String... words) throws IOException {
        List<String> command =
                new ArrayList<>(List.of(verb, "--socket", folder.resolve("here").toString()));
        command.addAll(List.of(words));
        ToolRunner.Result result = tool.run(command);
        assertEquals(lines, tool.errors());
        assertEquals(exit, result.exit());
        return result.output();
    }

    /// Runs a command here that the service refuses.
    void assertRefuses(String lines, String verb, String... words) throws IOException {
        String _ = assertSays(1, "xen-emu: " + lines + "\n", verb, words);
    }

    @Override
    public void close() throws IOException {
        daemon.close();
        daemonThere.close();
    }
}
