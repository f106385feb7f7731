package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.LabBridge;
import io.xenemu.it.fixture.LabDaemon;
import io.xenemu.it.fixture.LabGuest;
import io.xenemu.it.fixture.LinuxImages;
import io.xenemu.it.fixture.Md5Sums;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.fixture.NetGuest;
import io.xenemu.it.fixture.NetHotplugLoad;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Unmodified Linux guests use each feature of the service's network interfaces, and do without it, on a bridge of the
/// lab machine.
@Needs({HostPackage.XENSTORE_UTILS, HostPackage.IPROUTE})
@ExtendWith(LabExtension.class)
class NetFeaturesIT {
    private static final String BRIDGE = "xebr1";
    private static final String HOST = "10.78.0.1";
    private static final String HOST6 = "fd78::1";
    private static final String GUEST = "10.78.0.2";
    private static final String GUEST6 = "fd78::2";
    private static final String OTHER = "10.78.0.3";
    private static final String OTHER6 = "fd78::3";
    private static final String SPEC = "bridge=" + BRIDGE;
    private static final String MAC = "00:16:3e:0a:0b:0c";
    private static final int JUMBO = 9000;

    /// Datagrams for which the machine has to find the guest by multicast first.
    private static final String SOLICIT =
            "ip neigh flush dev %s; perl -MIO::Socket::IP -e '$s = IO::Socket::IP->new(PeerHost => \"%s\", PeerPort => 9, Proto => \"udp\") or die; send($s, \"x\", 0), sleep 1 for 1 .. 3'"
                    .formatted(BRIDGE, GUEST6);

    private static final int ETHERNET = 14;
    private static final int HOTPLUG_ROUNDS = 3;

    /// 4 MiB at 10.5 Mbit/s.
    private static final double LEAST_SECONDS = 3.1;

    private static void bridge(Lab lab) throws IOException, InterruptedException {
        LabBridge.add(lab, BRIDGE, HOST + "/24", HOST6 + "/64");
    }

    private static List<String> image(Lab lab) throws IOException, InterruptedException {
        return LinuxImages.arguments(
                lab, "6.12", Optional.empty(), "--memory", "256M", "--vcpus", "1");
    }

    @Test
    void everyFeatureWorksAndIsDoneWithout(Lab lab) throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        bridge(lab);
        try (LabGuest booted = daemon.boot("net-features", image(lab))) {
            NetGuest guest = NetGuest.of(daemon, "net-features", booted);
            assertEquals("ok\n", daemon.ask("engines-set net-features net:0,net:1,net:0,net:1"));
            allThatIsOffered(guest, lab);
            noOffloads(guest, lab);
            jumboFrames(guest, lab);
            queues(guest, 2);
            oneEventChannel(guest);
            multicastFilter(guest, lab);
            rate(guest);
            guest.shell().assertNoComplaint();
        } finally {
            LabBridge.remove(lab, BRIDGE);
        }
        daemon.assertNoBug();
    }

    private static void begin(NetGuest guest, String spec, String parameters, String... without)
            throws IOException, InterruptedException {
        guest.attach(spec);
        guest.without(without);
        guest.load(parameters);
        guest.up(GUEST, GUEST6, HOST);
    }

    private static void allThatIsOffered(NetGuest guest, Lab lab)
            throws IOException, InterruptedException {
        begin(guest, SPEC + ",mac=" + MAC, "");
        isListed(guest);
        guest.reaches("ping6", HOST6);
        assertFrames(true, guest.meanFrames(GUEST, HOST));
        assertFrames(true, guest.meanFrames(GUEST6, HOST6));
        assertEquals("", guest.front("event-channel"), "split event channels");
        noMulticastFilter(guest, lab);
        hostsEndDownAndUp(guest, lab);
        guest.shell().run("ifconfig eth0 down");
        guest.up(GUEST, GUEST6, HOST);
        guest.detach();
        assertEquals(
                "",
                guest.daemon()
                        .xenStore(
                                "xenstore-ls -f | grep -E '/vif|backend/' | grep -v console || :"));
    }

    private static void isListed(NetGuest guest) throws IOException, InterruptedException {
        String table = guest.daemon().ask("network-list " + guest.name());
        String row = table.lines().skip(1).findFirst().orElse("");
        assertTrue(
                row.matches(
                        "\\|0 +0 +%s +0 +4 .*/local/domain/0/backend/vif/%d/0"
                                .formatted(MAC, guest.id())),
                row);
    }

    /// Whether the mean frames of a file, from the guest and to it, are larger than an Ethernet frame. Acknowledgements
    /// go in the other direction.
    private static void assertFrames(boolean large, List<Double> frames) {
        assertTrue(
                frames.stream().allMatch(bytes -> bytes > NetGuest.PLAIN_FRAME == large),
                frames::toString);
    }

    private static void noMulticastFilter(NetGuest guest, Lab lab)
            throws IOException, InterruptedException {
        lab.shell(SOLICIT);
        assertEquals(0, filtered(guest), "nothing is filtered unless it is asked for");
    }

    private static void hostsEndDownAndUp(NetGuest guest, Lab lab)
            throws IOException, InterruptedException {
        String tap = "vif" + guest.id() + ".0";
        lab.shell("ip link set " + tap + " down");
        String lost = guest.shell().run("ping -c 2 -i 0.2 -W 1 " + HOST);
        assertTrue(lost.contains("100% packet loss"), lost);
        lab.shell("ip link set " + tap + " up");
        guest.reaches("ping", HOST);
        guest.exchange(GUEST, HOST);
    }

    private static void noOffloads(NetGuest guest, Lab lab)
            throws IOException, InterruptedException {
        lab.shell("ip link set " + BRIDGE + " gso_max_segs 1");
        begin(guest, SPEC, "", "sg", "gso-tcpv4", "gso-tcpv6", "ipv6-csum-offload");
        guest.reaches("ping6", HOST6);
        assertFrames(false, guest.meanFrames(GUEST, HOST));
        assertFrames(false, guest.meanFrames(GUEST6, HOST6));
        guest.detach();
    }

    /// Without segmentation, so that the frames themselves are large.
    private static void jumboFrames(NetGuest guest, Lab lab)
            throws IOException, InterruptedException {
        begin(guest, SPEC + ",mtu=" + JUMBO, "", "gso-tcpv4", "gso-tcpv6");
        lab.shell("ip link set " + BRIDGE + " mtu " + JUMBO);
        guest.shell().run("ifconfig eth0 mtu " + JUMBO);
        String ping = guest.shell().run("ping -c 3 -s 8900 -w 60 " + HOST);
        assertTrue(ping.contains(" 0% packet loss"), ping);
        for (List<Double> frames :
                List.of(guest.meanFrames(GUEST, HOST), guest.meanFrames(GUEST6, HOST6))) {
            assertTrue(
                    frames.stream()
                            .allMatch(bytes ->
                                    bytes > NetGuest.PLAIN_FRAME && bytes <= JUMBO + ETHERNET),
                    "" + frames);
        }
        guest.detach();
        lab.shell("ip link set " + BRIDGE + " mtu 1500 gso_max_segs 65535");
    }

    private static void queues(NetGuest guest, int count) throws IOException, InterruptedException {
        begin(guest, SPEC, "max_queues=" + count);
        String queues = guest.shell().run("ls -d /sys/class/net/eth0/queues/tx-* | wc -l");
        assertTrue(queues.contains("\n" + count), queues);
        guest.exchange(GUEST, HOST);
        guest.detach();
    }

    private static void oneEventChannel(NetGuest guest) throws IOException, InterruptedException {
        begin(guest, SPEC, "", "split-event-channels");
        assertTrue(!guest.front("event-channel").isEmpty());
        guest.exchange(GUEST, HOST);
        guest.detach();
    }

    /// Linux's driver asks for no filter, so that the test does, and no address of Linux's passes it.
    private static void multicastFilter(NetGuest guest, Lab lab)
            throws IOException, InterruptedException {
        guest.attach(SPEC);
        guest.daemon()
                .xenStore(
                        "xenstore-write /local/domain/%d/device/vif/0/request-multicast-control 1"
                                .formatted(guest.id()));
        guest.load("");
        guest.up(GUEST, GUEST6, HOST);
        lab.shell(SOLICIT);
        assertTrue(filtered(guest) > 0, "neighbour solicitations");
        guest.exchange(GUEST, HOST);
        guest.detach();
    }

    private static double filtered(NetGuest guest) throws IOException, InterruptedException {
        String drops =
                guest.daemon()
                        .scrape()
                        .lines()
                        .filter(line -> line.startsWith("xen_net_drops_frames_total{"))
                        .filter(line -> line.contains("domain=\"" + guest.id() + "\""))
                        .filter(line ->
                                line.contains("direction=\"rx\"") && line.contains("\"filter\""))
                        .findFirst()
                        .orElseThrow();
        return Double.parseDouble(drops.substring(drops.lastIndexOf(' ')));
    }

    /// 10 Mbit/s; the program that measures takes longer.
    private static void rate(NetGuest guest) throws IOException, InterruptedException {
        begin(guest, SPEC + ",rate=10Mb/s", "");
        long start = System.nanoTime();
        guest.send(GUEST, 5000, 4);
        double seconds = (System.nanoTime() - start) / 1e9;
        assertTrue(seconds > LEAST_SECONDS, () -> seconds + " s");
        guest.detach();
    }

    @Test
    void twoGuestsTalkOnOneBridgeAndInterfacesGoAndComeUnderLoad(Lab lab)
            throws IOException, InterruptedException {
        LabDaemon daemon = LabDaemon.shared(lab);
        bridge(lab);
        try (LabGuest first = daemon.boot("net-first", image(lab));
                LabGuest second = daemon.boot("net-second", image(lab))) {
            NetGuest one = NetGuest.of(daemon, "net-first", first);
            NetGuest two = NetGuest.of(daemon, "net-second", second);
            begin(one, SPEC, "");
            two.attach(SPEC);
            two.load("");
            two.up(OTHER, OTHER6, HOST);
            one.reaches("ping", OTHER);
            one.reaches("ping6", OTHER6);
            betweenGuests(one, GUEST, two);
            betweenGuests(two, OTHER6, one);
            one.detach();
            NetHotplugLoad.run(one, SPEC, GUEST, HOST, HOTPLUG_ROUNDS);
            two.exchange(OTHER, HOST);
            two.detach();
            one.shell().assertNoComplaint();
            two.shell().assertNoComplaint();
        } finally {
            LabBridge.remove(lab, BRIDGE);
        }
        daemon.assertNoBug();
    }

    /// A standard input that never ends keeps a nc from leaving before all has come.
    private static void betweenGuests(NetGuest from, String address, NetGuest to)
            throws IOException, InterruptedException {
        from.shell()
                .run(
                        "dd if=/dev/urandom of=/tmp/file bs=1M count=1; (nc -l -p 5002 </tmp/file >/dev/null &)");
        to.shell()
                .run(
                        NetGuest.ENDLESS
                                + "until test -s /tmp/in; do nc %s 5002 >/tmp/in <&4 || sleep 0.2; done"
                                        .formatted(address));
        assertEquals(
                Md5Sums.in(from.shell().run("md5sum /tmp/file")),
                Md5Sums.in(to.shell().run("md5sum /tmp/in; rm /tmp/in")));
    }
}
