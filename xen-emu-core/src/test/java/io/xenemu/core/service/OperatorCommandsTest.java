package io.xenemu.core.service;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Needs /dev/kvm: what an operator asks of a service with one domain, which is named `test` and has id 1 and two vCPUs.
final class OperatorCommandsTest {
    private final TestDomain guest = new TestDomain(2);
    private final List<Domain> poweredOff = new ArrayList<>();
    private final OperatorCommands commands = new OperatorCommands(new OneDomain());

    OperatorCommandsTest() throws BootException, XenError {}

    private final class OneDomain implements OperatorCommands.Domains {
        @Override
        public void forEach(Consumer<Domain> work) {
            work.accept(guest.domain());
        }

        @Override
        public void powerOff(Domain domain) {
            poweredOff.add(domain);
        }
    }

    @AfterEach
    void close() {
        guest.close();
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
                "destroy 1"
            })
    void whatCannotBeDoneIsRefusedInOneLine(String line) {
        String reply = commands.apply(line);

        assertTrue(reply.startsWith("error: "), reply);
        assertFalse(reply.contains("\n"), reply);
        assertNull(guest.domain().shutdownLatch().get());
        assertTrue(poweredOff.isEmpty());
    }

    @Test
    void debugKeyRaisesTheVirqAtEveryVcpu() throws XenError {
        EventChannels channels = guest.domain().eventChannels();
        EvtchnPort first = channels.bindVirq(Virq.DEBUG, new VcpuId(0));
        EvtchnPort second = channels.bindVirq(Virq.DEBUG, new VcpuId(1));

        assertEquals("ok", commands.apply("debug-keys e"));
        assertFalse(channels.isPending(first));
        assertEquals("ok", commands.apply("debug-keys qe"));
        assertTrue(channels.isPending(first));
        assertTrue(channels.isPending(second));
    }

    @ParameterizedTest
    @CsvSource({"test", "1"})
    void resetRebootsTheDomain(String name) {
        assertEquals("ok", commands.apply("trigger " + name + " reset"));

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.REBOOT, outcome.reason());
    }

    @Test
    void powerAsksTheGuest() {
        assertEquals("ok", commands.apply("trigger test power"));

        assertEquals(List.of(guest.domain()), poweredOff);
        assertNull(guest.domain().shutdownLatch().get());
    }

    @Test
    void nmiGoesToTheVcpu() {
        assertEquals("ok", commands.apply("trigger 1 nmi"));
        assertEquals("ok", commands.apply("trigger 1 nmi 1"));

        assertNull(guest.domain().shutdownLatch().get());
    }
}
