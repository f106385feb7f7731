package io.xenemu.it.program;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootFiles;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.xenstore.quota.Quotas;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// One service with two guests that ring each other by an event channel. A program for inside the lab;
/// `RingingGuestsIT` and `bin/ring-benchmark` run it. Its first argument is the guest, the others are one of the
/// following; without any, it plays what its input says as [Scenarios].
///
/// | arguments | what happens |
/// |---|---|
/// | `rate RINGS RINGS` | so many rings through the kernels alone, then so many through user space; prints both rates |
/// | `moving RINGS` | meanwhile one guest moves its port between its vCPUs, and masks it |
/// | `death` | one guest is destroyed while they ring; the other one looks at its port, and a third one tries to take its place |
///
/// A ring is one event: RINGS is of both guests together. Ends with an exception if one got lost or was invented.
public final class RingingGuests implements AutoCloseable {
    private static final Pattern PORT = Pattern.compile("port (\\d+)");
    private static final Pattern BIND = Pattern.compile("bind (-?\\d+)");
    private static final Pattern RINGING = Pattern.compile("ringing");
    private static final Pattern STATUS =
            Pattern.compile("status (\\d+) remote (\\d+) refused sends (\\d+)");
    private static final Pattern DONE =
            Pattern.compile("done received=(\\d+) sent=(\\d+) nanoseconds=(\\d+) failures=(\\d+)");
    private static final Pattern MOVED =
            Pattern.compile(DONE.pattern() + " moves=(\\d+) at0=(\\d+) at1=(\\d+)");

    private static final String WITHOUT_DOORBELLS = "without-doorbells";

    /// A hundred times what an idle lab needs. A guest whose ring got lost waits for ever.
    private static final long START_SECONDS = 120;

    private static final int RINGS_PER_SECOND = 300;

    /// More than are rung before the guest is destroyed.
    private static final long ENDLESS = 4_000_000_000L;

    private static final int BEFORE_DEATH = 1000;
    private static final int AFTER_DEATH = 1000;
    private static final int EVTCHNSTAT_UNBOUND = 1;
    private static final int EINVAL = 22;

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final HostKvm kvm = HostKvm.open();
    private final Hypervisor hypervisor = new Hypervisor(kvm, registry, Quotas.DEFAULT);
    private final BootFiles files;

    private RingingGuests(Path guest) throws Exception {
        files = BootFiles.open(guest, List.of(), GuestMemoryMap.MIN_BYTES);
    }

    public static void main(String[] args) throws Exception {
        Path guest = Path.of(args[0]);
        if (args.length > 1) {
            play(guest, List.of(args).subList(1, args.length));
        } else {
            Scenarios.serve(words -> play(guest, words));
        }
    }

    private static void play(Path guest, List<String> words) throws Exception {
        try (RingingGuests guests = new RingingGuests(guest)) {
            switch (words.getFirst()) {
                case "rate" ->
                        guests.rate(Integer.parseInt(words.get(1)), Integer.parseInt(words.get(2)));
                case "moving" -> guests.moving(Integer.parseInt(words.get(1)));
                case "death" -> guests.death();
                default -> throw new IllegalArgumentException(words.getFirst());
            }
        }
    }

    private ServiceGuest start(int vcpus, int rings, String commandLine) throws BootException {
        return new ServiceGuest(
                hypervisor,
                files.kernel(),
                "ring",
                vcpus,
                commandLine,
                START_SECONDS + rings / RINGS_PER_SECOND);
    }

    /// The first of two guests. The second has to be made next: ids are given out one after another.
    private ServiceGuest offering(int id, int vcpus, int rings, String options)
            throws BootException {
        ServiceGuest guest =
                start(
                        vcpus,
                        rings,
                        "offer-to=%d rings=%d %s".formatted(id + 1, rings / 2, options));
        require(id, guest.id(), "domain id");
        return guest;
    }

    private ServiceGuest connecting(ServiceGuest other, long rings, String options)
            throws BootException, InterruptedException {
        String port = other.await(PORT).group(1);
        String commandLine =
                "connect-to=%d at-port=%s rings=%d %s"
                        .formatted(other.id(), port, rings / 2, options);
        return start(1, Math.clamp(rings, 0, Integer.MAX_VALUE), commandLine);
    }

    private void rate(int kernelRings, int userRings) throws Exception {
        double inKernel = perSecond("kernel", 1, kernelRings, "", 0);
        double inUserSpace = perSecond("user space", 3, userRings, WITHOUT_DOORBELLS, userRings);
        System.out.printf(Locale.ROOT, "kernel / user space: %.2f%n", inKernel / inUserSpace);
    }

    private double perSecond(String name, int id, int rings, String options, int expectedSends)
            throws Exception {
        try (ServiceGuest offering = offering(id, 1, rings, options);
                ServiceGuest connecting = connecting(offering, rings, options)) {
            if (options.equals(WITHOUT_DOORBELLS)) {
                require(0, count(connecting.await(BIND), 1), "bind");
                offering.tell("go");
            }
            connecting.awaitPowerOff();
            offering.awaitPowerOff();
            Matcher timed = connecting.await(DONE);
            requireAll(rings, timed, offering.await(DONE));
            long sends = sendsInUserSpace(offering) + sendsInUserSpace(connecting);
            double rate = rings * 1e9 / count(timed, 3);
            System.out.printf(
                    Locale.ROOT,
                    "%s: %d rings, %.0f per second, %d sends in user space%n",
                    name,
                    rings,
                    rate,
                    sends);
            require(expectedSends, sends, "sends in user space");
            return rate;
        }
    }

    private void moving(int rings) throws Exception {
        try (ServiceGuest offering = offering(1, 2, rings, "moving");
                ServiceGuest connecting = connecting(offering, rings, "")) {
            connecting.awaitPowerOff();
            offering.awaitPowerOff();
            Matcher moved = offering.await(MOVED);
            requireAll(rings, moved, connecting.await(DONE));
            require(rings / 2, count(moved, 6) + count(moved, 7), "rings at both vCPUs");
            if (count(moved, 6) == 0 || count(moved, 7) == 0) {
                throw new IllegalStateException("the port has not moved: " + moved.group());
            }
            System.out.printf(
                    "moved: %d rings, %s moves, %s rings at vCPU 0, %s at vCPU 1%n",
                    rings, moved.group(5), moved.group(6), moved.group(7));
        }
    }

    private void death() throws Exception {
        try (ServiceGuest survivor = offering(1, 1, 2 * BEFORE_DEATH, "until-told")) {
            try (ServiceGuest dying = connecting(survivor, ENDLESS, "")) {
                survivor.await(RINGING);
                require(2, dying.id(), "domain id");
            }
            survivor.debugVirq();
            Matcher left = survivor.await(STATUS);
            require(EVTCHNSTAT_UNBOUND, count(left, 1), "status");
            require(2, count(left, 2), "remote domain");
            require(0, count(left, 3), "refused sends");
            try (ServiceGuest third = connecting(survivor, 2, "")) {
                require(-EINVAL, count(third.await(BIND), 1), "bind by domain 3");
                third.awaitPowerOff();
            }
            survivor.debugVirq();
            survivor.awaitPowerOff();
        }
        System.out.println("death: survived");
        perSecond("after a death", 4, AFTER_DEATH, "", 0);
    }

    private static long count(Matcher line, int group) {
        return Long.parseLong(line.group(group));
    }

    /// Each guest has received as many rings as it sent, and as the other one sent.
    private static void requireAll(int rings, Matcher... guests) {
        for (Matcher done : guests) {
            require(rings / 2, count(done, 1), "rings received");
            require(rings / 2, count(done, 2), "rings sent");
            require(0, count(done, 4), "failed hypercalls");
        }
    }

    private long sendsInUserSpace(ServiceGuest guest) {
        return Math.round(
                registry
                        .find("xen.hypercalls")
                        .tag("domain", Integer.toString(guest.id()))
                        .tag("op", "send")
                        .functionCounters()
                        .stream()
                        .mapToDouble(FunctionCounter::count)
                        .sum());
    }

    private static void require(long expected, long actual, String what) {
        if (expected != actual) {
            throw new IllegalStateException(what + ": " + actual + ", not " + expected);
        }
    }

    @Override
    public void close() {
        hypervisor.close();
        kvm.close();
        files.close();
    }
}
