package io.xenemu.it.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.it.fixture.HostPackage;
import io.xenemu.it.fixture.HostileNeighbours;
import io.xenemu.it.fixture.Needs;
import io.xenemu.it.lab.Lab;
import io.xenemu.it.lab.LabExtension;
import java.io.IOException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/// Hostile guests beside a working Linux guest of the same daemon, which loses nothing.
@Needs({
    HostPackage.GCC,
    HostPackage.LIBC,
    HostPackage.LINUX_HEADERS,
    HostPackage.XEN_HEADERS,
    HostPackage.XENSTORE_UTILS
})
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class HostileNeighboursIT {
    private static final int ENOSPC = -28;
    private static final int GENERAL_ERROR = -1;

    /// Ports that KVM has for a domain that it takes for one of 32 bits.
    private static final int COMPAT_PORTS = 1024;

    private static final int REBOOTS = 2;
    private static final int GREEDY = 2;

    /// xl's default of `max_event_channels`.
    private static final int MAX_PORTS = 1024;

    private static final int FLOOD_SECONDS = 3;

    /// Random calls; `soak calls` makes more.
    private static final int ANY_CALLS = 20_000;

    /// How the daemon names a domain's threads.
    private static final String PORT_THREADS = "-port";

    private static final String VCPU_THREADS = "-vcpu";

    /// Memory that dead domains may leave: a few huge pages that the living have touched since. The dead touched
    /// 16 MiB.
    private static final long LEFT_KIB = 8 << 10;

    private final Lab lab;
    private final HostileNeighbours neighbours;

    HostileNeighboursIT(Lab lab) throws IOException, InterruptedException {
        this.lab = lab;
        neighbours = new HostileNeighbours(lab);
    }

    @AfterEach
    void theWorkingGuestGoesOn() throws IOException, InterruptedException {
        neighbours.works();
        neighbours.nothingWasLost();
    }

    @AfterAll
    void end() throws IOException, InterruptedException {
        try (neighbours) {
            neighbours.end();
        }
    }

    @Test
    void guestWhoseUpcallsKvmRefusesHarmsNoOther() throws IOException, InterruptedException {
        int hostile = neighbours.start("hostile", "same-apic-ids", "--vcpus", "2");
        neighbours.awaitReport(hostile, "ready");
        // Time to take its id; from here on, each event for it is a message that KVM refuses.
        lab.shell("sleep 1");
        neighbours.works();
        int innocent = neighbours.start("innocent", "grant-one");
        neighbours.awaitReport(innocent, "touched");
        neighbours.order(innocent, "for", 0);
        neighbours.awaitReport(innocent, "ready");
        neighbours.awaitReport(neighbours.reboot("innocent", innocent), "touched");
        neighbours.works();
        neighbours.destroy("innocent");
        neighbours.destroy("hostile");
    }

    @Test
    void guestThatNarrowsItselfHarmsNoOtherAtItsHighPorts()
            throws IOException, InterruptedException {
        int hostile =
                neighbours.start(
                        "narrow", "narrow", "--vcpus", "2", "--max-event-channels", "4095");
        int partner = neighbours.start("partner", "partner");
        neighbours.order(hostile, "for", partner);
        long port = neighbours.awaitReport(hostile, "port");
        assertTrue(port > COMPAT_PORTS, "port " + port);
        neighbours.connect(partner, hostile, port);
        neighbours.order(hostile, "go", 1);
        neighbours.awaitReport(hostile, "narrowed");
        neighbours.order(partner, "ring", 1);
        assertEquals(0, neighbours.awaitReport(partner, "rung"));
        neighbours.order(partner, "close", 1);
        assertEquals(0, neighbours.awaitReport(partner, "closed"));
        neighbours.works();
        neighbours.destroy("partner");
        neighbours.destroy("narrow");
    }

    @Test
    void guestThatRingsAnotherWhileItEndsSeesNoFailure() throws IOException, InterruptedException {
        int ringer = neighbours.start("ringer", "ringer");
        int target = neighbours.start("target", "target");
        neighbours.order(target, "for", ringer);
        neighbours.connect(ringer, target, neighbours.awaitReport(target, "port"));
        lab.shell("sleep 1");
        neighbours.destroy("target");
        neighbours.order(ringer, "stop", 1);
        long sent = neighbours.awaitReport(ringer, "sent");
        assertTrue(sent > 0, "sent " + sent);
        assertEquals(0, neighbours.awaitReport(ringer, "failures"));
        neighbours.destroy("ringer");
    }

    @Test
    void deadDomainsWithOneMappedPageKeepOnlyThatPage() throws IOException, InterruptedException {
        int keeper = neighbours.start("keeper", "keeper");
        neighbours.awaitReport(keeper, "ready");
        int granter = neighbours.start("granter", "grant-one touch=8");
        neighbours.awaitReport(granter, "touched");
        long before = sharedKib();
        for (int reboot = 0; reboot < REBOOTS; reboot++) {
            neighbours.order(granter, "for", keeper);
            neighbours.awaitReport(granter, "ready");
            neighbours.order(keeper, "map", granter);
            assertEquals(0, neighbours.takeReport(keeper, "kept"));
            granter = neighbours.reboot("granter", granter);
            neighbours.awaitReport(granter, "touched");
        }
        long left = sharedKib() - before;
        assertTrue(left < LEFT_KIB, "dead domains keep KiB " + left);
        neighbours.destroy("granter");
        neighbours.destroy("keeper");
    }

    /// KiB of the machine's memory that is in memfds: all guests' RAM.
    private long sharedKib() throws IOException, InterruptedException {
        String value = lab.shell("awk '/^Shmem:/ { print $2 }' /proc/meminfo");
        return Long.parseLong(value.strip());
    }

    @Test
    void guestsThatMapAsMuchAsTheyCanLeaveOthersTheirShare()
            throws IOException, InterruptedException {
        for (int i = 0; i < GREEDY; i++) {
            int greedy = neighbours.start("windows" + i, "windows");
            assertEquals(GENERAL_ERROR, neighbours.awaitReport(greedy, "refused"));
            neighbours.works();
        }
        int late = neighbours.start("late", "grant-one");
        neighbours.awaitReport(late, "touched");
        neighbours.destroy("late");
        for (int i = 0; i < GREEDY; i++) {
            neighbours.destroy("windows" + i);
        }
    }

    /// A unit test covers the limit of all guests together: here each port is a hypercall.
    @Test
    void guestThatAllocatesEveryPortIsRefusedAtTheLimit() throws IOException, InterruptedException {
        int greedy = neighbours.start("ports", "all-ports", "--evtchn", "auto");
        neighbours.order(greedy, "for", 0);
        assertEquals(ENOSPC, neighbours.awaitReport(greedy, "refused"));
        long ports = neighbours.awaitReport(greedy, "ports");
        assertTrue(ports < MAX_PORTS, "ports " + ports);
        neighbours.destroy("ports");
    }

    @Test
    void floodOfTheConsolesPortCostsTheServiceLittle() throws IOException, InterruptedException {
        int flood = neighbours.start("flood", "flood");
        neighbours.awaitReport(flood, "ready");
        long before = ticks(flood, PORT_THREADS);
        long sendersBefore = ticks(flood, VCPU_THREADS);
        lab.shell("sleep " + FLOOD_SECONDS);
        long ticks = ticks(flood, PORT_THREADS) - before;
        long senders = ticks(flood, VCPU_THREADS) - sendersBefore;
        neighbours.order(flood, "stop", 1);
        long sent = neighbours.awaitReport(flood, "sent");
        assertTrue(sent > FLOOD_SECONDS * 1000, "sent " + sent);
        // An emulated machine takes about half a millisecond for what takes 10 microseconds
        // elsewhere.
        assertTrue(ticks < senders * 2 / 3, "ticks of CPU time " + ticks + " of " + senders);
        neighbours.destroy("flood");
    }

    @Test
    void guestThatMakesAnyCallsHarmsNoOther() throws IOException, InterruptedException {
        neighbours.makeAnyCalls(1, ANY_CALLS);
    }

    /// CPU time of the daemon's threads of a name for a domain, in ticks.
    private long ticks(int domain, String name) throws IOException, InterruptedException {
        String sum =
                lab.shell(
                        "cat /proc/[0-9]*/task/[0-9]*/stat 2>/dev/null | sed -n 's/^[0-9]* (dom%d%s[0-9]*) //p' | awk '{ t += $12 + $13 } END { print t + 0 }'"
                                .formatted(domain, name));
        return Long.parseLong(sum.strip());
    }
}
