package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.hypervisor.NamedDomains;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.toolstack.PvDevices;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What an operator asks of a service with one domain, which is named `test` and has id 1 and two vCPUs.
final class VerbTableTest {
    private final TestDomain guest = new TestDomain(2);
    private final List<String> asked = new ArrayList<>();
    private final XenStoreServer store =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    GuestDomains.NONE,
                    new XenStoreMetrics(new SimpleMeterRegistry()),
                    Runnable::run);
    private final OperatedDomains domains = new OneDomain();
    private final VerbTable verbs =
            new VerbTable(
                    new OperatedService(
                            domains,
                            new NamedDomains(domains),
                            new DeviceAttachment(new NamedDomains(domains), new PvDevices(store)),
                            null));

    VerbTableTest() throws BootException, XenError {}

    private final class OneDomain implements OperatedDomains {
        @Override
        public void forEach(Consumer<Domain> work) {
            work.accept(guest.domain());
        }

        @Override
        public void pause(Domain domain) {
            domain.pause();
        }

        @Override
        public void unpause(Domain domain) throws Refused {
            if (!domain.unpause()) {
                throw new Refused("not paused");
            }
        }

        @Override
        public void destroy(Domain domain) {
            domain.shutdown(ShutdownReason.DESTROYED, "");
        }

        @Override
        public void askToShutDown(Domain domain, String how) {
            asked.add(domain + " " + how);
        }

        @Override
        public void awaitEnd(Domain domain) {
            assertNotNull(domain.shutdownLatch().get());
        }
    }

    @AfterEach
    void close() {
        guest.close();
        store.close();
    }

    private ControlReply send(String line) {
        try {
            return verbs.find(ControlWords.decode(line)).work().carryOut();
        } catch (Refused e) {
            return ControlReply.error(e.reason());
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "debug-keys",
                "debug-keys e q",
                "debug-keys x",
                "debug-keys ex",
                "trigger",
                "trigger 1",
                "trigger 2 nmi",
                "trigger other nmi",
                "trigger 1 nmi 2",
                "trigger 1 nmi -1",
                "trigger 1 nmi first",
                "trigger 1 init",
                "trigger 1 sleep",
                "trigger 1 s3resume",
                "trigger 1 explode",
                "trigger 1 nmi 0 0",
                "list 2",
                "destroy 4294967297",
                "list 1 1",
                "pause",
                "pause 2",
                "unpause 1",
                "destroy 2",
                "shutdown 1 now",
                "shutdown-all now",
                "shutdown-all wait 1",
                "reboot-all test",
                "create name=x",
                "console pv 1",
                "block-attach",
                "block-attach 1",
                "block-attach 1 nonsense",
                "block-attach 2 /d,raw,xvda,backend=1",
                "block-attach 1 /d,raw,xvda,backend=2",
                "block-attach 1 /d,raw,xvda,backend=0",
                "block-attach 1 /d,raw,xvda,backend=1",
                "block-list",
                "block-list 2",
                "block-list 1 2",
                "block-detach 1",
                "block-detach 1 xvda",
                "block-detach 1 xvda now",
                "block-explode 1",
                "network-attach 1 bridge=x",
                "network-attach 1 backend=test",
                "network-detach 1 0",
                "%zz 1"
            })
    void whatCannotBeDoneIsRefusedInOneLine(String line) {
        String reply = send(line).status();

        assertTrue(reply.startsWith("error: "), reply);
        assertFalse(reply.contains("\n"), reply);
        assertNull(guest.domain().shutdownLatch().get());
        assertTrue(asked.isEmpty());
    }

    @Test
    void debugKeyRaisesTheVirqAtEveryVcpu() throws XenError {
        EventChannels channels = guest.domain().eventChannels();
        EvtchnPort first = channels.bindVirq(Virq.DEBUG, new VcpuId(0));
        EvtchnPort second = channels.bindVirq(Virq.DEBUG, new VcpuId(1));

        List<String> rows = send("debug-keys e").rows();
        assertEquals("dom1 (test): 2 event channels, 2-level ABI", rows.getFirst());
        assertEquals("dom1 port 2: vcpu 1, VIRQ 1", rows.getLast());
        assertEquals(3, send("debug-keys h").rows().size());
        assertFalse(channels.isPending(first));
        assertEquals("ok", send("debug-keys qe").status());
        assertTrue(channels.isPending(first));
        assertTrue(channels.isPending(second));
    }

    @ParameterizedTest
    @CsvSource({"test", "1", "01"})
    void resetRebootsTheDomain(String name) {
        assertEquals("ok", send("trigger " + name + " reset").status());

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.REBOOT, outcome.reason());
    }

    @Test
    void powerAsksTheGuest() {
        assertEquals("ok", send("trigger test power").status());

        assertEquals(List.of("dom1 (test) poweroff"), asked);
        assertNull(guest.domain().shutdownLatch().get());
    }

    @Test
    void nmiGoesToTheVcpu() {
        assertEquals("ok", send("trigger 1 nmi").status());
        assertEquals("ok", send("trigger 1 nmi 1").status());

        assertNull(guest.domain().shutdownLatch().get());
    }

    @Test
    void domidTellsTheIdOfAName() {
        assertEquals(List.of("1"), send("domid test").rows());
    }

    @Test
    void noDevicesAreListed() {
        assertEquals(1, send("block-list test 1").rows().size());
        assertEquals(1, send("network-list 1").rows().size());
    }

    @Test
    void pausesAreCounted() {
        assertEquals("ok", send("pause 1").status());
        assertEquals("ok", send("pause test").status());
        assertEquals("ok", send("unpause 1").status());
        assertTrue(guest.domain().isPaused());
        assertEquals("ok", send("unpause 1").status());
        assertFalse(guest.domain().isPaused());
    }

    @Test
    void guestIsAskedToEnd() {
        assertEquals("ok", send("shutdown test").status());
        assertEquals("ok", send("reboot 1").status());

        assertEquals(List.of("dom1 (test) poweroff", "dom1 (test) reboot"), asked);
    }

    @Test
    void allGuestsAreAsked() {
        assertEquals("ok", send("shutdown-all").status());
        assertEquals("ok", send("reboot-all").status());

        assertEquals(List.of("dom1 (test) poweroff", "dom1 (test) reboot"), asked);
    }

    @Test
    void destroyEndsTheDomain() {
        assertEquals("ok", send("destroy test").status());

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.DESTROYED, outcome.reason());
    }
}
