package io.xenemu.core.hypercall;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.search.RequiredSearch;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class HypercallMetricsTest {
    private static final int UNKNOWN_NUMBER = 63;
    private static final int EVENT_CHANNEL_OP = 32;
    private static final int SEND = 4;

    private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
    private final HypercallTable table = HypercallTable.standard();
    private final HypercallMetrics metrics = new HypercallMetrics(registry, new DomId(3), table);

    private final TestDomain guest = new TestDomain(1);
    private final HypercallContext caller = guest.caller(0, true);

    HypercallMetricsTest() throws BootException, XenError {}

    @AfterEach
    void close() {
        guest.close();
        registry.close();
    }

    private void call(HypercallDispatcher vcpu, long number, long first, int cpl) {
        caller.begin(number, cpl);
        caller.setParameter(0, first);
        vcpu.dispatch(caller);
    }

    private List<HypercallDispatcher> vcpus(int count) {
        List<HypercallDispatcher> vcpus = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            vcpus.add(new HypercallDispatcher(table, metrics.newVcpu(), message -> {}));
        }
        return vcpus;
    }

    private RequiredSearch series(String name, String hypercall, String op, String result) {
        return registry.get(name)
                .tags("domain", "3", "hypercall", hypercall, "op", op, "result", result);
    }

    @Test
    void nothingIsRegisteredBeforeTheFirstCall() {
        vcpus(2);

        assertEquals(List.of(), registry.getMeters());
    }

    @Test
    void allVcpusShareOneSeriesOfEachKind() {
        for (HypercallDispatcher vcpu : vcpus(16)) {
            call(vcpu, UNKNOWN_NUMBER, 0, 0);
            call(vcpu, UNKNOWN_NUMBER, 1, 0);
            call(vcpu, EVENT_CHANNEL_OP, SEND, 3);
        }

        assertEquals(4, registry.getMeters().size());
        FunctionTimer timer =
                series("xen.hypercall.duration", "unknown", "", "ENOSYS").functionTimer();
        assertEquals(32, timer.count());
        assertTrue(timer.totalTime(TimeUnit.NANOSECONDS) > 0);
        assertEquals(
                32, series("xen.hypercalls", "unknown", "", "ENOSYS").functionCounter().count());
        assertEquals(
                16,
                series("xen.hypercalls", "event_channel_op", "send", "EPERM")
                        .functionCounter()
                        .count());
    }

    @Test
    void closeRemovesTheDomainsSeries() {
        vcpus(2).forEach(vcpu -> call(vcpu, UNKNOWN_NUMBER, 0, 0));
        registry.counter("another").increment();

        metrics.close();

        assertEquals(1, registry.getMeters().size());
        assertEquals(1, registry.get("another").counter().count());
    }
}
