package io.xenemu.core.domain;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.delivery.InlineListener;
import io.xenemu.core.memory.SpecialPages;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.ServicePort;
import io.xenemu.evtchn.ServicePorts;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.KvmException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The end of a domain while other threads still work for it.
@Timeout(120)
final class DomainEndTest {
    private static final int ROUNDS = 10;

    private final List<Throwable> thrown = Collections.synchronizedList(new ArrayList<>());

    private static void spin(Vcpu vcpu) {
        while (!vcpu.isStopping()) {
            LockSupport.parkNanos(1_000_000);
        }
    }

    private Thread start(Runnable work) {
        return Thread.ofPlatform()
                .start(() -> {
                    try {
                        work.run();
                    } catch (RuntimeException | Error e) {
                        thrown.add(e);
                    }
                });
    }

    @Test
    void firstFailureIsTheReasonOfTheStop() throws Exception {
        try (TestDomain test = new TestDomain(1)) {
            Domain domain = test.domain();
            domain.failed("its upcalls", new KvmException("KVM_SIGNAL_MSI", 22));
            domain.failed("its upcalls", new IllegalStateException("test"));
            ShutdownLatch.Outcome outcome = Objects.requireNonNull(domain.shutdownLatch().get());
            assertEquals(ShutdownReason.HOST_ERROR, outcome.reason());
            assertEquals("its upcalls: KVM_SIGNAL_MSI: EINVAL (22)", outcome.message());
        }
    }

    /// The failing thread kicks one vCPU after the other, while the domain's own end closes them.
    @Test
    void failureOnAnotherThreadUsesNoClosedVcpu() throws Exception {
        for (int i = 0; i < ROUNDS; i++) {
            Thread other;
            try (TestDomain test = new TestDomain(8, DomainEndTest::spin)) {
                Domain domain = test.domain();
                domain.start();
                other = start(() -> domain.failed("a peer", new IllegalStateException("test")));
            }
            other.join();
        }
        assertEquals(List.of(), thrown);
    }

    /// A back end sends until the domain is gone. The test takes each upcall in the guest's place.
    @Test
    void upcallUsesNoClosedVcpu() throws Exception {
        for (int i = 0; i < ROUNDS; i++) {
            Thread sender;
            try (TestDomain test = new TestDomain(1)) {
                Domain domain = test.domain();
                ServicePorts ports =
                        new ServicePorts(_ -> domain.eventChannels(), new SimpleMeterRegistry());
                EvtchnPort port = domain.eventChannels().allocUnbound(DomId.SELF, DomId.DOM0);
                InlineListener listener = () -> {};
                ServicePort end = ports.bindInterdomain(TestDomain.ID, port, listener);
                MemorySegment shared = domain.special().page(SpecialPages.SHARED_INFO);
                sender = start(() -> send(end, shared));
                Thread.sleep(1);
            }
            sender.join();
        }
        assertEquals(List.of(), thrown);
    }

    private static void send(ServicePort end, MemorySegment shared) {
        while (end.isConnected()) {
            try {
                shared.fill((byte) 0);
            } catch (IllegalStateException e) {
                return; // the memory is gone by now, as the guest would be
            }
            end.notifyGuest();
        }
    }
}
