package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Md5Sums;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.NetGuest;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import io.xenemu.it.lab.RunningCommand;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// An unmodified Linux guest has the lab machine's network through passt, which dies under it.
@Needs({HostPackage.PASST, HostPackage.XENSTORE_UTILS})
@ExtendWith(LabExtension.class)
class PasstIT {
    private static final String GUEST = "passt";
    private static final String FOLDER = "/run/passt";
    private static final int METRICS_PORT = 9137;

    /// The machine's address in its own network, which passt gives the guest, and its gateway.
    private static final String MACHINE = "10.0.2.15";

    private static final String GATEWAY = "10.0.2.2";

    /// Takes a connection, and prints the checksum of what comes.
    private static final String SINK =
            "perl -MIO::Socket::IP -e '$s = IO::Socket::IP->new(Listen => 1, ReuseAddr => 1,"
                    + " LocalHost => \"127.0.0.1\", LocalPort => 5012) or die \"$!\";"
                    + " $c = $s->accept; print while read $c, $_, 65536' | md5sum";

    /// Sends a file to the guest by the port that passt forwards, and waits until the guest has it.
    private static final String PUSH =
            "dd if=/dev/urandom of=/tmp/net-out bs=1M count=1 2>/dev/null; md5sum /tmp/net-out;"
                    + " perl -MIO::Socket::IP -e '$c = IO::Socket::IP->new(PeerHost => \"127.0.0.1\","
                    + " PeerPort => 5010) or die \"$!\"; open F, \"/tmp/net-out\" or die;"
                    + " print $c $_ while read F, $_, 65536; $c->shutdown(1); read $c, $_, 1'";

    /// Commands of the lab machine run in a chroot, where the kernel gives nobody a user namespace. This leaves it, and
    /// makes its root the root of a mount namespace.
    private static final String WRAPPER =
            """
            #!/usr/bin/perl
            my ($CLONE_NEWNS, $MS_MOVE) = (0x20000, 0x2000);
            syscall(272, $CLONE_NEWNS) == 0 or die "unshare: $!";
            mkdir "%1$s/deep"; chroot "%1$s/deep" or die "chroot: $!";
            chdir ".." for 1 .. 50;
            chroot "." or die "chroot: $!";
            chdir "/host" or die "/host: $!";
            my ($from, $to) = (".", "/");
            syscall(165, $from, $to, 0, $MS_MOVE, 0) == 0 or die "mount: $!";
            chroot "." or die "chroot: $!";
            chdir "/";
            exec "/usr/bin/passt", @ARGV;
            """
                    .formatted(FOLDER);

    @Test
    void aGuestReachesTheHostAndIsReachedThroughPasst(Lab lab)
            throws IOException, InterruptedException {
        lab.shell(
                "mkdir -p %1$s/bin; cat >%1$s/bin/passt <<'end'\n%2$send\nchmod +x %1$s/bin/passt"
                        .formatted(FOLDER, WRAPPER));
        List<String> path = List.of("env", "PATH=" + FOLDER + "/bin:/usr/bin:/bin");
        try (LabDaemon daemon = LabDaemon.start(lab, path, FOLDER, METRICS_PORT);
                LabGuest booted =
                        daemon.boot(
                                GUEST,
                                LinuxImages.arguments(
                                        lab,
                                        "6.12",
                                        Optional.empty(),
                                        "--memory",
                                        "256M",
                                        "--vcpus",
                                        "1"))) {
            NetGuest guest = NetGuest.of(daemon, GUEST, booted);
            guest.attach("backendtype=passt,map-gw=1,tcp-ports=5010");
            guest.load("");
            address(guest);
            everyWay(guest);

            lab.shell("kill -9 " + passt());
            daemon.awaitMeter(
                    "xen_net_reconnections_total{device=\"0\",domain=\"" + guest.id() + "\"}",
                    "1.0");
            assertEquals("1\n", daemon.xenStore("xenstore-read " + guest.backend() + "carrier"));
            everyWay(guest);

            guest.detach();
            lab.shell("while test -n \"" + passt() + "\"; do sleep 0.1; done");
            withoutOffloads(guest);
            guest.shell().assertNoComplaint();
            daemon.assertNoBug();
        }
        lab.shell("rm -r " + FOLDER);
    }

    /// It may have executed a build of itself for the processor, whose name is longer.
    private static String passt() {
        return "$(ps -e -o pid=,comm= | awk '$2 ~ /^passt/ { print $1 }')";
    }

    /// From passt's DHCP.
    private static void address(NetGuest guest) throws IOException, InterruptedException {
        guest.shell()
                .run(
                        "printf '#!/bin/sh\\n[ \"$1\" = bound ] && ifconfig eth0 $ip netmask $subnet && route add default gw $router\\n' >/tmp/dhcp; chmod +x /tmp/dhcp; ifconfig eth0 up; udhcpc -i eth0 -n -q -t 10 -s /tmp/dhcp");
        String shown = guest.shell().run("ifconfig eth0; route -n");
        assertTrue(shown.contains("addr:" + MACHINE) && shown.contains(GATEWAY), shown);
    }

    private static void everyWay(NetGuest guest) throws IOException, InterruptedException {
        guest.receive("127.0.0.1", GATEWAY, 5011);
        fromTheGuest(guest);
        atAForwardedPort(guest);
    }

    private static void fromTheGuest(NetGuest guest) throws IOException, InterruptedException {
        String sent =
                guest.shell()
                        .run("dd if=/dev/urandom of=/tmp/file bs=1M count=1; md5sum /tmp/file");
        try (RunningCommand sink = guest.daemon().lab().startRunning(List.of("sh", "-c", SINK))) {
            guest.shell().run("until nc " + GATEWAY + " 5012 </tmp/file; do sleep 0.2; done");
            assertEquals(0, sink.awaitExit(), sink.output());
            assertEquals(Md5Sums.in(sent), Md5Sums.in(sink.output()));
        }
    }

    /// The host speaks first: the passt of Debian 12 loses what a guest's server says before.
    private static void atAForwardedPort(NetGuest guest) throws IOException, InterruptedException {
        guest.shell()
                .run(
                        NetGuest.ENDLESS
                                + "(nc -l -p 5010 <&4 >/tmp/in &); until netstat -ltn | grep -q :5010; do sleep 0.1; done");
        String sent = guest.daemon().lab().shell(PUSH);
        String received =
                guest.shell().run("while pidof nc; do sleep 0.1; done; md5sum /tmp/in; rm /tmp/in");
        assertEquals(Md5Sums.in(sent), Md5Sums.in(received));
    }

    private static void withoutOffloads(NetGuest guest) throws IOException, InterruptedException {
        guest.attach("backendtype=passt,map-gw=1,tcp-ports=5010");
        guest.without("sg", "gso-tcpv4", "gso-tcpv6", "ipv6-csum-offload");
        guest.load("");
        address(guest);
        everyWay(guest);
        guest.detach();
    }
}
