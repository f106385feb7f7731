package io.xenemu.it.bench;

import io.xenemu.core.lab.GuestProgram;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.PerlControl;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A guest whose disk and network another guest of the same daemon serves, with Linux's own back ends. The disk is in
/// that guest's memory.
final class DrivenGuest {
    private static final String SERVER = "server";
    private static final String USER = "user";
    private static final String MEMORY = "512M";
    private static final int DISK_KIB = 256 << 10;
    private static final int METRICS_PORT = 9102;

    private DrivenGuest() {}

    /// Sees the output of the guest with the load, to its end.
    interface Follower {
        void follow(RunningCommand console) throws IOException, InterruptedException;
    }

    /// Runs both guests, until the load has ended.
    ///
    /// @param load the program with the load, and with the other end of the network
    /// @param script what the guest with the load runs
    static void run(Lab lab, GuestProgram load, String script, Follower follower)
            throws IOException, InterruptedException {
        List<GuestProgram> programs = new ArrayList<>(List.of(load));
        programs.add(GuestProgram.of(Path.of("src/guest/linux/driver-domain")));
        for (String tool : List.of("read", "write", "rm", "watch")) {
            programs.add(lab.images().xenstoreTool("xenstore-" + tool));
        }
        try (LabDaemon daemon = LabDaemon.start(lab, "/run/driver-benchmark", METRICS_PORT);
                LabGuest server = daemon.boot(SERVER, image(lab, Optional.empty(), programs))) {
            server.shell().awaitBoot();
            server.shell()
                    .run(
                            "modprobe brd rd_nr=1 max_part=0 rd_size=%d; modprobe -a xen-blkback xen-netback; dd if=/dev/zero of=/dev/ram0 bs=1M; (driver-domain >/tmp/log 2>&1 &); (device-load serve 0.0.0.0 >/tmp/served 2>&1 &)"
                                    .formatted(DISK_KIB));
            try (LabGuest user =
                    daemon.boot(USER, image(lab, Optional.of(script), List.of(load)))) {
                user.console().awaitText(DeviceSide.LOADED);
                attach(daemon, "block-attach", "/dev/ram0,raw,xvda,rw,backend=" + SERVER);
                attach(daemon, "network-attach", "backend=" + SERVER);
                follower.follow(user.console());
            }
        }
    }

    private static void attach(LabDaemon daemon, String verb, String spec)
            throws IOException, InterruptedException {
        String reply = daemon.ask(verb + " " + USER + " " + PerlControl.word(spec));
        if (!reply.equals("ok\n")) {
            throw new IOException(verb + ": " + reply);
        }
    }

    private static List<String> image(Lab lab, Optional<String> script, List<GuestProgram> programs)
            throws IOException {
        return LinuxImages.arguments(
                lab, "6.12", script, programs, "--memory", MEMORY, "--vcpus", "1");
    }
}
