package io.xenemu.core.guest;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.toolstack.DeviceKind;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.xenstore.quota.Quotas;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/// A hypervisor with a real XenStore, whose domains run no code.
final class FakeHypervisor implements AutoCloseable {
    private final List<FakeDomains> sources = new ArrayList<>();
    final FaultyMeters meters = new FaultyMeters();
    final Hypervisor hypervisor;

    /// @param kinds the devices that it serves
    FakeHypervisor(BackendKind... kinds) {
        hypervisor =
                new Hypervisor(
                        environment -> {
                            sources.add(new FakeDomains(environment));
                            return sources.getFirst();
                        },
                        meters,
                        Quotas.DEFAULT,
                        List.of(kinds));
    }

    /// Its domains.
    FakeDomains domains() {
        return sources.getFirst();
    }

    /// The next domain that is built.
    Domain next() throws InterruptedException {
        return domains().next();
    }

    /// The next domain that is built, if there is one already.
    @Nullable Domain built() {
        return domains().built();
    }

    /// Runs a guest on a thread of its own.
    FutureTask<RunOutcome> drive(Guest guest, long deadline) {
        FutureTask<RunOutcome> run =
                new FutureTask<>(() -> guest.run(hypervisor, null, null, deadline));
        Thread.ofPlatform().name("guest").start(run);
        return run;
    }

    /// Runs a guest on a thread of its own, and waits until its first domain has been started.
    FutureTask<RunOutcome> start(Guest guest) throws Exception {
        DriverRequest start = guest.start(false);
        FutureTask<RunOutcome> run = drive(guest, Guest.FOREVER);
        start.await();
        return run;
    }

    /// The numbers of the disks of a domain, as `block-list` shows them.
    List<String> disks(Domain domain) throws Refused {
        return hypervisor
                .devices()
                .attachment()
                .devices()
                .list()
                .table(DeviceKind.VBD, List.of(domain.id()))
                .stream()
                .skip(1)
                .map(row -> row.substring(0, row.indexOf(' ')))
                .toList();
    }

    @Override
    public void close() {
        hypervisor.close();
    }
}
