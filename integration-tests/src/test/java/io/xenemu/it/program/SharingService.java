package io.xenemu.it.program;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootFiles;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.xenstore.quota.Quotas;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// A service whose guests are `src/guest/share`, and what it says about them from outside.
final class SharingService implements AutoCloseable {
    private static final Pattern READY = Pattern.compile("ready");
    private static final long LIMIT_SECONDS = 300;

    /// Bytes of a block, the unit of stat(1).
    private static final long BLOCK = 512;

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final HostKvm kvm = HostKvm.open();
    private final Hypervisor hypervisor = new Hypervisor(kvm, registry, Quotas.DEFAULT);
    private final BootFiles files;

    SharingService(Path guest) throws Exception {
        files = BootFiles.open(guest, List.of(), GuestMemoryMap.MIN_BYTES);
    }

    /// Starts a guest and waits for it. Their ids are 1, 2 and so on.
    ServiceGuest start(String name) throws BootException, InterruptedException {
        ServiceGuest guest =
                new ServiceGuest(hypervisor, files.kernel(), name, 1, "", LIMIT_SECONDS);
        guest.await(READY);
        return guest;
    }

    /// The value of a gauge of a domain.
    long gauge(String name, int domain) {
        Gauge gauge = registry.find(name).tag("domain", Integer.toString(domain)).gauge();
        if (gauge == null) {
            throw new IllegalStateException("no meter " + name + " of domain " + domain);
        }
        return Math.round(gauge.value());
    }

    /// The value of a gauge of the service.
    long gauge(String name) {
        return Math.round(registry.get(name).gauge().value());
    }

    /// The value of a counter of a domain.
    long counter(String name, int domain) {
        Counter counter = registry.find(name).tag("domain", Integer.toString(domain)).counter();
        if (counter == null) {
            throw new IllegalStateException("no meter " + name + " of domain " + domain);
        }
        return Math.round(counter.count());
    }

    /// How often an operation of a domain has had a result, as `xen.gnttab.ops` counts.
    ///
    /// @param result a tag's value; empty for all of them
    long operations(int domain, String op, String result) {
        return Math.round(
                registry
                        .find("xen.gnttab.ops")
                        .tag("domain", Integer.toString(domain))
                        .tag("op", op)
                        .tags(result.isEmpty() ? List.of() : List.of(resultTag(result)))
                        .counters()
                        .stream()
                        .mapToDouble(Counter::count)
                        .sum());
    }

    private static Tag resultTag(String result) {
        return Tag.of("result", result);
    }

    /// How many mappings and open files of this process are the RAM of a guest of that name.
    static long tracesOfRam(String name) throws IOException {
        String file = "/memfd:xen-ram-" + name + " ";
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"));
                Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return maps.filter(line -> line.contains(file)).count()
                    + descriptors.filter(fd -> linkOf(fd).startsWith(file)).count();
        }
    }

    /// Bytes that the host has allocated for the RAM of a guest of that name, whose file is open once.
    static long allocatedRam(String name) throws IOException {
        String file = "/memfd:xen-ram-" + name + " ";
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            Path descriptor =
                    descriptors.filter(fd -> linkOf(fd).startsWith(file)).findAny().orElseThrow();
            String path =
                    "/proc/" + ProcessHandle.current().pid() + "/fd/" + descriptor.getFileName();
            Process stat = new ProcessBuilder("stat", "-L", "-c", "%b", path).start();
            byte[] blocks = stat.getInputStream().readAllBytes();
            return Long.parseLong(new String(blocks, US_ASCII).strip()) * BLOCK;
        }
    }

    private static String linkOf(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException closedMeanwhile) {
            return "";
        }
    }

    @Override
    public void close() {
        hypervisor.close();
        kvm.close();
        files.close();
    }
}
