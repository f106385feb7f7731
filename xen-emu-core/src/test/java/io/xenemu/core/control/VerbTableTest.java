package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.base.Splitter;
import com.google.common.util.concurrent.Uninterruptibles;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.backend.engine.DomainEngines;
import io.xenemu.core.backend.engine.EngineClass;
import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.backend.engine.EngineQueue;
import io.xenemu.core.backend.engine.EngineSpec;
import io.xenemu.core.backend.engine.Engines;
import io.xenemu.core.boot.AcpiTables;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.HvmParams;
import io.xenemu.core.domain.ShutdownLatch;
import io.xenemu.core.domain.ShutdownReason;
import io.xenemu.core.domain.TestDomain;
import io.xenemu.core.domain.Vcpu;
import io.xenemu.core.guest.ChangeGate;
import io.xenemu.core.host.WorkProgress;
import io.xenemu.core.hypervisor.DeviceAttachment;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.EventBoard;
import io.xenemu.core.hypervisor.MemoryTargets;
import io.xenemu.core.hypervisor.NamedDomains;
import io.xenemu.core.hypervisor.OperatedDomains;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.core.toolstack.DeviceEvents;
import io.xenemu.core.toolstack.GuestControls;
import io.xenemu.core.toolstack.PvDevices;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.core.toolstack.ServiceBackends;
import io.xenemu.core.trace.TracePoints;
import io.xenemu.core.vm.FakeVm;
import io.xenemu.evtchn.EventChannels;
import io.xenemu.evtchn.EvtchnPort;
import io.xenemu.evtchn.Virq;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.testing.Eventually;
import io.xenemu.kvm.thread.CpuAffinity;
import io.xenemu.xenstore.XenStoreServer;
import io.xenemu.xenstore.client.XenStoreClient;
import io.xenemu.xenstore.metrics.XenStoreMetrics;
import io.xenemu.xenstore.quota.Quotas;
import io.xenemu.xenstore.ring.GuestDomains;
import io.xenemu.xenstore.ring.IntroducedRing;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// An operator's requests to a service with one domain, which is named `test` and has id 1 and two vCPUs.
final class VerbTableTest {
    private final TestDomain guest = new TestDomain(2);
    private final List<String> asked = new ArrayList<>();
    private final List<Json.Obj> told = new ArrayList<>();
    private final XenStoreServer store =
            new XenStoreServer(
                    Quotas.DEFAULT,
                    new OneGuest(),
                    new XenStoreMetrics(new SimpleMeterRegistry()),
                    Runnable::run);
    private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
    private final Engines engines =
            new Engines(EngineSpec.withDefaults(List.of(), 2), new SimpleMeterRegistry());
    private final DomainEngines guestEngines = engines.open(new DomId(1), EngineMap.DEFAULT);
    private final VerbTable verbs = verbs(new OneDomain(guest.domain()));

    VerbTableTest() throws BootException, XenError {}

    private VerbTable verbs(OperatedDomains domains) {
        return new VerbTable(
                new OperatedService(
                        domains,
                        new NamedDomains(domains),
                        new GuestControls(store),
                        new DeviceAttachment(
                                new NamedDomains(domains),
                                new PvDevices(store, DeviceEvents.NONE, ServiceBackends.NONE)),
                        new MemoryTargets(store),
                        new EventBoard(),
                        new TracePoints(),
                        engines,
                        null,
                        new ChangeGate(),
                        null,
                        meters));
    }

    /// The domain as XenStore sees it: it exists.
    private static final class OneGuest implements GuestDomains {
        @Override
        public boolean exists(DomId domain) {
            return domain.value() <= 1;
        }

        @Override
        public IntroducedRing ring(DomId domain, long gfn, int port) throws XenError {
            throw XenError.EINVAL;
        }

        @Override
        public void released(DomId domain) {}
    }

    private class OneDomain implements OperatedDomains {
        private final Domain one;

        OneDomain(Domain one) {
            this.one = one;
        }

        @Override
        public synchronized void forEach(Consumer<Domain> work) {
            work.accept(one);
        }

        @Override
        public void order(Domain domain, DomainOrder order) throws Refused {
            switch (order) {
                case DomainOrder.Plain.PAUSE -> domain.pause();
                case DomainOrder.Plain.UNPAUSE -> {
                    if (!domain.unpause()) {
                        throw new Refused("not paused");
                    }
                }
                case DomainOrder.Plain.SUSPEND ->
                        domain.suspension().suspend(domain.vcpus().getFirst());
                case DomainOrder.Plain.RESUME -> domain.suspension().cancel();
                case DomainOrder.Plain.POWER_OFF, DomainOrder.Plain.REBOOT ->
                        asked.add(domain + " " + order);
                case DomainOrder.DumpCore dump -> {
                    dump.told().accept(new WorkProgress());
                    asked.add(domain + " dump " + dump.file() + (dump.live() ? " live" : ""));
                }
                case DomainOrder.Save save -> {
                    save.told().accept(new WorkProgress());
                    asked.add(domain + " save " + save.place().path() + " " + save.then());
                }
            }
        }

        @Override
        public void destroy(Domain domain) {
            domain.shutdown(ShutdownReason.DESTROYED, "");
        }

        @Override
        public void awaitStop(Domain domain) {
            assertNotNull(domain.shutdownLatch().get());
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

    private static final int MANY = 512;
    private static final Splitter WORDS = Splitter.on(' ');

    private ControlReply send(String line) {
        try {
            return ask(line);
        } catch (Refused e) {
            throw new AssertionError(line, e);
        }
    }

    private ControlReply ask(String line) throws Refused {
        List<String> words = WORDS.splitToList(line);
        return ask(words.getFirst(), Json.texts(words.subList(1, words.size())));
    }

    private ControlReply ask(String verb, Json arguments) throws Refused {
        return ask(verbs, verb, arguments);
    }

    private ControlReply ask(VerbTable verbs, String verb, Json arguments) throws Refused {
        try {
            return verbs.find(new ControlRequest(1, verb, arguments)).work().carryOut(told::add);
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
                "debug-keys eeeeeeeeeeeeeeeee",
                "debug-keys ex",
                "sysrq",
                "sysrq 1",
                "sysrq 2 s",
                "sysrq other s",
                "sysrq 1 sync",
                "sysrq 1 \u00e9",
                "sysrq 1 s s",
                "trigger",
                "trigger 1",
                "trigger 2 nmi",
                "trigger other nmi",
                "trigger 1 nmi 2",
                "trigger 1 nmi -1",
                "trigger 1 nmi first",
                "trigger 1 init",
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
                "mem-set 1",
                "mem-set 2 8",
                "mem-set 1 8",
                "mem-set 1 0",
                "mem-set 1 eight",
                "mem-set 1 8M 8M",
                "mem-max 1",
                "mem-max 1 9",
                "mem-max 1 -1",
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
                "9pfs-attach 1",
                "9pfs-attach 1 tag=t",
                "9pfs-attach 1 tag=t,path=/nowhere",
                "9pfs-attach 2 tag=t,path=/tmp",
                "9pfs-list 2",
                "9pfs-detach 1 t",
                "9pfs-detach 1 t now",
                "vcpu-set 1",
                "vcpu-set 1 0",
                "vcpu-set 1 two",
                "vcpu-set 1 99",
                "engines-list",
                "engines-list 2",
                "engines-set 1",
                "engines-set 2 default",
                "engines-set 1 block:2",
                "engines-set 1 disk:0",
                "engines-set 1 hex:0",
                "engines-set 1 hex:00",
                "engines-set 1 block:0 net:0",
                "engines-set 1 like:",
                "engines-set 1 like:other",
                "%zz 1"
            })
    void impossibleRequestsAreRefusedInOneLine(String line) {
        Refused refused = assertThrows(Refused.class, () -> ask(line));

        assertFalse(refused.reason().isEmpty());
        assertFalse(refused.reason().contains("\n"), refused.reason());
        assertNull(guest.domain().shutdownLatch().get());
        assertTrue(asked.isEmpty());
    }

    @Test
    void operatorSetsTheMapOfAGuestsEngines() {
        EngineQueue queue =
                guestEngines.add(EngineClass.BLOCK, "vbd-51712", 1, () -> true, _ -> {});
        assertEquals(
                List.of(
                        "Map: default",
                        "Class  Index  Engine       Offered  Queues",
                        "block      0  block:0      yes",
                        "block      1  block:1      yes      vbd-51712",
                        "net        0  net:0        yes",
                        "net        1  net:1        yes",
                        "9p         0  9p:0         yes",
                        "9p         1  9p:1         yes",
                        "9p         2  9p:2         yes",
                        "9p         3  9p:3         yes",
                        "console     0  console:0    yes"),
                send("engines-list 1").text());
        send("engines-set test block:0,-,block:1,net:0");
        ControlReply reply = send("engines-list test");
        assertEquals(
                List.of(
                        "Map: block:0,-,block:1,net:0",
                        "Class  Index  Engine       Offered  Queues",
                        "block      0  block:0      yes",
                        "block      1  -            no       vbd-51712 on block:1",
                        "block      2  block:1      no",
                        "net        0  net:0        yes",
                        "9p         0  9p:0         yes",
                        "9p         1  9p:1         yes",
                        "9p         2  9p:2         yes",
                        "9p         3  9p:3         yes",
                        "console     0  console:0    yes"),
                reply.text());
        String binary = reply.data().text("hex");
        send("engines-set 1 default");
        assertTrue(guestEngines.map().isDefault());
        send("engines-set 1 hex:" + binary);
        assertEquals("block:0,-,block:1,net:0", guestEngines.map().toString());
        send("engines-set 1 like:test");
        assertEquals("block:0,-,block:1,net:0", guestEngines.map().toString());
        send("engines-set 1 hex:");
        assertTrue(guestEngines.map().isDefault());
        queue.close();
    }

    @Test
    void refusedMapOfEnginesNamesItsErrorAndLeavesTheOldOne() {
        send("engines-set 1 block:1");
        assertEquals(
                "ENOENT: the service has no engine block:7",
                assertThrows(Refused.class, () -> ask("engines-set 1 block:1,block:7")).reason());
        assertEquals(
                "EINVAL: 'hex:0000' is not a map of engines",
                assertThrows(Refused.class, () -> ask("engines-set 1 hex:0000")).reason());
        assertEquals("block:1", guestEngines.map().toString());
    }

    @Test
    void enginesAreListedWithTheirUse() {
        List<String> rows = send("engines").text();
        assertEquals("Engine       CPUs         Queues   Time(s)   Use(%)", rows.getFirst());
        assertEquals("block:0      all               0       0.0      0.0", rows.get(1));
        assertEquals(10, rows.size());
    }

    @Test
    void eventChannelsOfAGuestAreListedForPeopleAndPrograms() throws XenError {
        EventChannels channels = guest.domain().eventChannels();
        EvtchnPort timer = channels.bindVirq(Virq.DEBUG, new VcpuId(1));
        channels.raiseVcpu(Virq.DEBUG, new VcpuId(1));
        EvtchnPort free = channels.allocUnbound(DomId.SELF, new DomId(7));

        ControlReply reply = send("evtchn-list test");
        assertEquals("dom1 (test): 2 event channels, 2-level ABI", reply.text().getFirst());
        assertEquals(
                "[{\"port\": %d, \"vcpu\": 1, \"pending\": true, \"type\": \"virq\", \"number\": 1}, "
                                .formatted(timer.value())
                        + "{\"port\": %d, \"vcpu\": 0, \"pending\": false, \"type\": \"unbound\", \"domain\": 7}]"
                                .formatted(free.value()),
                JsonWriter.line(Objects.requireNonNull(reply.data().find("channels"))));
    }

    @Test
    void grantsOfAGuestAreListedForPeopleAndPrograms() {
        ControlReply reply = send("grant-list 1");
        assertTrue(reply.text().getFirst().startsWith("dom1 (test): version 1, "));
        assertEquals(new Json.Array(List.of()), reply.data().find("grants"));
        assertEquals(new Json.Array(List.of()), reply.data().find("maps"));
    }

    @Test
    void debugKeyRaisesTheVirqAtEveryVcpu() throws XenError {
        EventChannels channels = guest.domain().eventChannels();
        EvtchnPort first = channels.bindVirq(Virq.DEBUG, new VcpuId(0));
        EvtchnPort second = channels.bindVirq(Virq.DEBUG, new VcpuId(1));

        List<String> rows = send("debug-keys e").text();
        assertEquals("dom1 (test): 2 event channels, 2-level ABI", rows.getFirst());
        assertEquals("dom1 port 2: vcpu 1, VIRQ 1", rows.getLast());
        assertEquals(DebugKey.values().length, send("debug-keys h").text().size());
        assertFalse(channels.isPending(first));
        assertEquals(4, send("debug-keys qe").text().size());
        assertTrue(channels.isPending(first));
        assertTrue(channels.isPending(second));
    }

    @Test
    void debugKeysOfManyDomainsHaveABoundedAnswer() throws XenError, Refused, InterruptedException {
        for (int i = 0; i < MANY; i++) {
            EvtchnPort _ =
                    guest.domain().eventChannels().allocUnbound(TestDomain.ID, TestDomain.ID);
        }
        DebugKeys keys =
                new DebugKeys(
                        new OneDomain(guest.domain()) {
                            @Override
                            public synchronized void forEach(Consumer<Domain> work) {
                                for (int i = 0; i < DebugRows.MAX / MANY; i++) {
                                    super.forEach(work);
                                }
                            }
                        });

        List<String> rows = keys.press("eeeeeeee");

        assertEquals(DebugRows.MAX + 1, rows.size());
        assertEquals("more than 16384 rows: the rest is not shown", rows.getLast());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "a; 3; dom1-vcpu1: one-shot timer none, period none",
                "d; 10; dom1-vcpu1: r12 0000000000000000 r13 0000000000000000 r14 0000000000000000 "
                        + "r15 0000000000000000",
                "g; 1; dom1 (test): version 1, 1 frames of at most 4, 0 grants mapped, maps 0",
                "q; 1; dom1 (test): runs, 8 MiB, 2 vCPUs, of which 0 have bound VIRQ_DEBUG",
                "v; 20; dom1-vcpu1: gdt base 0000000000000000 limit 0000, idt base "
                        + "0000000000000000 limit 0000"
            })
    void debugKeyShowsEveryVcpuOrDomain(String key, int count, String last) {
        List<String> rows = send("debug-keys " + key).text();

        assertEquals(count, rows.size(), rows.toString());
        assertEquals(last, rows.getLast());
    }

    @Test
    void debugKeyShowsThreadsAndRunstates() {
        List<String> rows = send("debug-keys r").text();
        assertEquals(4, rows.size(), rows.toString());
        assertEquals("dom1-vcpu1: sleeps, last on CPU 0, 0.00 s of CPU time", rows.get(1));
        String account =
                "dom1-vcpu1: running \\d+\\.\\d{3} s, runnable 0.000 s, blocked 0.000 s, offline 0.000 s";
        assertTrue(rows.getLast().matches(account), rows.getLast());
    }

    @Test
    void debugKeysShowMemoryAndTheClock() {
        assertTrue(
                send("debug-keys m")
                        .text()
                        .getFirst()
                        .matches("dom1 \\(test\\): owns \\d+ pages.*"));
        assertTrue(
                send("debug-keys t")
                        .text()
                        .getFirst()
                        .matches("dom1 \\(test\\): system time .* s"));
    }

    @Test
    void starPressesAllKeysButHelp() {
        List<String> all = send("debug-keys *").text();

        assertEquals(send("debug-keys adegmqrtv").text().size(), all.size());
    }

    @Test
    void debugKeyDoesNotWaitForAVcpuThatDoesNotAnswer() throws Exception {
        CountDownLatch stuck = new CountDownLatch(1);
        try (TestDomain running =
                new TestDomain(new FakeVm(), 1, vcpu -> serveAfter(stuck, vcpu))) {
            running.domain().start();

            List<String> rows =
                    new DebugKeys(new OneDomain(running.domain()), Duration.ZERO).press("d");

            assertEquals(List.of("dom1-vcpu0: gives no answer: its thread is busy"), rows);
            stuck.countDown();
        }
    }

    @Test
    void vcpuThatDoesNotAnswerIsListedInTime() throws Exception {
        CountDownLatch stuck = new CountDownLatch(1);
        try (TestDomain running =
                new TestDomain(new FakeVm(), 1, vcpu -> serveAfter(stuck, vcpu))) {
            running.domain().start();

            List<VcpuRow> rows = VcpuRow.of(List.of(running.domain()), Duration.ZERO);

            assertEquals(1, rows.size());
            assertEquals(VcpuRow.State.UNKNOWN, rows.getFirst().state());
            String line = VcpuRow.table(rows).getLast();
            assertTrue(line.contains(" ?-- "), line);
            assertNull(rows.getFirst().json().find("online"));
            stuck.countDown();
        }
    }

    /// A failed key is our bug: the guest has done nothing.
    @Test
    void debugKeyThatFailsHarmsNoGuest() throws Exception {
        Domain domain = guest.domain();
        DebugRows rows = new DebugRows();
        new DebugKeys(new OneDomain(domain))
                .forEach(
                        rows,
                        _ -> {
                            throw new IllegalStateException("a bug");
                        });
        assertEquals(
                List.of(domain + ": the key has failed: java.lang.IllegalStateException: a bug"),
                rows.all());
        assertNull(domain.shutdownLatch().get());
    }

    @Test
    void sysrqIsWrittenForTheGuest() throws XenError {
        assertEquals(List.of(), send("sysrq test s").text());
        try (XenStoreClient client = store.client()) {
            assertEquals("s", client.read("/local/domain/1/control/sysrq"));
        }
    }

    @Test
    void sysrqOfAStoppedDomainIsRefused() {
        guest.domain().shutdown(ShutdownReason.CRASH, "");

        Refused refused = assertThrows(Refused.class, () -> ask("sysrq test s"));

        assertEquals("test has stopped", refused.reason());
    }

    @ParameterizedTest
    @CsvSource({"test", "1", "01"})
    void resetRebootsTheDomain(String name) {
        assertEquals(List.of(), send("trigger " + name + " reset").text());

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.REBOOT, outcome.reason());
    }

    @Test
    void powerAndSleepPressTheButtonsOfTheGuest() {
        assertEquals(List.of(), send("trigger test power").text());
        assertEquals(AcpiTables.EVENT_POWER_BUTTON, guest.domain().acpiEvents().save());
        assertEquals(List.of(), send("trigger 1 sleep").text());
        assertEquals(
                AcpiTables.EVENT_POWER_BUTTON | AcpiTables.EVENT_SLEEP_BUTTON,
                guest.domain().acpiEvents().save());

        assertEquals(List.of(), asked);
        assertNull(guest.domain().shutdownLatch().get());
    }

    @Test
    void shutdownFallsBackToTheButtonForAGuestWithoutDrivers() {
        assertEquals(List.of(), send("shutdown test fallback").text());
        assertEquals(AcpiTables.EVENT_POWER_BUTTON, guest.domain().acpiEvents().save());
        assertEquals(List.of(), asked);

        guest.domain().params().set(HvmParams.CALLBACK_IRQ, 1);
        assertEquals(List.of(), send("shutdown-all fallback").text());
        assertEquals(List.of(), send("reboot test fallback").text());
        assertEquals(List.of("dom1 (test) POWER_OFF", "dom1 (test) REBOOT"), asked);
        assertNull(guest.domain().shutdownLatch().get());
    }

    @Test
    void rebootFallsBackToAResetForAGuestWithoutDrivers() {
        assertEquals(List.of(), send("reboot-all fallback").text());

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.REBOOT, outcome.reason());
        assertEquals(List.of(), asked);
    }

    @Test
    void nmiGoesToTheVcpu() {
        assertEquals(List.of(), send("trigger 1 nmi").text());
        assertEquals(List.of(), send("trigger 1 nmi 1").text());

        assertNull(guest.domain().shutdownLatch().get());
    }

    /// The thread of a vCPU may be stuck in the host.
    @Test
    @Timeout(60)
    void vcpuThatDoesNotTakeItsNmiHoldsUpNoOtherCommand() throws Exception {
        CountDownLatch stuck = new CountDownLatch(1);
        FakeVm vm = new FakeVm();
        try (TestDomain running = new TestDomain(vm, 1, vcpu -> serveAfter(stuck, vcpu));
                ExecutorService asking = Executors.newSingleThreadExecutor()) {
            VerbTable others = verbs(new OneDomain(running.domain()));
            running.domain().start();
            Future<?> nmi =
                    asking.submit(() -> ask(others, "trigger", Json.texts(List.of("test", "nmi"))));
            Eventually.holds("the vCPU is asked", () -> vm.vcpu(0).kicks() > 0);

            assertEquals(2, ask(others, "list", Json.texts(List.of())).text().size());
            assertFalse(nmi.isDone());
            assertEquals(List.of(), vm.calls("nmi"));
            stuck.countDown();
            assertNotNull(nmi.get());
            assertEquals(List.of("nmi(vcpu0)"), vm.calls("nmi"));
        }
    }

    /// Lets the first change in XenStore, and the thread that makes it, wait for `answers`.
    ///
    /// @param asked opened when that thread waits
    private static void stopChanges(
            XenStoreClient client, CountDownLatch asked, CountDownLatch answers) {
        AtomicBoolean registered = new AtomicBoolean();
        XenStoreClient.Registration _ =
                client.watch(
                        "/",
                        _ -> {
                            if (registered.getAndSet(true)) {
                                asked.countDown();
                                Uninterruptibles.awaitUninterruptibly(answers);
                            }
                        });
    }

    @Timeout(60)
    @ParameterizedTest
    @ValueSource(
            strings = {
                "mem-set 1 8",
                "mem-max 1 8",
                "vcpu-set 1 2",
                "block-attach 1 /d,raw,xvda,w,backend=1",
                "network-attach 1 backend=1"
            })
    void changeThatWaitsForXenStoreHoldsUpNoOtherCommand(String line) throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch answers = new CountDownLatch(1);
        try (XenStoreClient client = store.client();
                ExecutorService asking = Executors.newSingleThreadExecutor()) {
            client.write("/local/domain/1/memory/static-max", "8192");
            client.write("/local/domain/1/memory/target", "8192");
            client.mkdir("/local/domain/1/device");
            stopChanges(client, asked, answers);
            Future<?> change = asking.submit(() -> ask(line));
            try {
                Eventually.holds("it waits", () -> asked.getCount() == 0 || change.isDone());
                Future<ControlReply> list = ForkJoinPool.commonPool().submit(() -> ask("list"));
                assertEquals(2, list.get().text().size());
                assertFalse(change.isDone(), () -> String.valueOf(change.exceptionNow()));
                // A device whose back end is gone is not waited for.
                if (client.exists("/local/domain/1/backend")) {
                    client.rm("/local/domain/1/backend");
                }
            } finally {
                answers.countDown();
            }
        }
    }

    private static void serveAfter(CountDownLatch stuck, Vcpu vcpu) {
        Uninterruptibles.awaitUninterruptibly(stuck);
        while (!vcpu.isStopping()) {
            vcpu.serveMailbox();
            Thread.onSpinWait();
        }
    }

    @Test
    void nmiThatIsNotTakenIsRefusedInTime() {
        Refused refused =
                assertThrows(
                        Refused.class,
                        () ->
                                DebugCommands.await(
                                        new CompletableFuture<>(), "vCPU 0", Duration.ZERO));
        assertTrue(refused.reason().startsWith("vCPU 0 has not taken the NMI"), refused.reason());
    }

    @Test
    void domidPrintsTheIdOfAName() {
        assertEquals(List.of("1"), send("domid test").text());
    }

    @Test
    void noDevicesAreListed() {
        assertEquals(1, send("block-list test 1").text().size());
        assertEquals(1, send("network-list 1").text().size());
        assertEquals(1, send("9pfs-list 1").text().size());
    }

    @Test
    void vcpusAreListedOneByOne() {
        List<String> rows = send("vcpu-list test").text();
        assertEquals(1 + guest.domain().vcpus().size(), rows.size());
        assertTrue(
                rows.get(1).matches("test {29}    1     0 +\\d+ +-b- +\\d+\\.\\d  all / all"),
                rows.get(1));
    }

    @Test
    void suspendedDomainIsShownAsShutDownUntilItIsResumed() {
        assertEquals(List.of(), send("suspend test").text());
        assertTrue(guest.domain().isHeld());
        assertTrue(send("list").text().get(1).contains(" ---s-- "));
        assertEquals(List.of(), send("resume test").text());
        assertFalse(guest.domain().isHeld());
    }

    @Test
    void pausesAreCounted() {
        assertEquals(List.of(), send("pause 1").text());
        assertEquals(List.of(), send("pause test").text());
        assertEquals(List.of(), send("unpause 1").text());
        assertTrue(guest.domain().isPaused());
        assertEquals(List.of(), send("unpause 1").text());
        assertFalse(guest.domain().isPaused());
    }

    @Test
    void guestIsAskedToEnd() {
        assertEquals(List.of(), send("shutdown test").text());
        assertEquals(List.of(), send("reboot 1").text());

        assertEquals(List.of("dom1 (test) POWER_OFF", "dom1 (test) REBOOT"), asked);
    }

    @Test
    void allGuestsAreAsked() {
        assertEquals(List.of(), send("shutdown-all").text());
        assertEquals(List.of(), send("reboot-all").text());

        assertEquals(List.of("dom1 (test) POWER_OFF", "dom1 (test) REBOOT"), asked);
    }

    @Test
    void destroyEndsTheDomain() {
        assertEquals(List.of(), send("destroy test").text());

        ShutdownLatch.Outcome outcome = guest.domain().shutdownLatch().get();
        assertNotNull(outcome);
        assertEquals(ShutdownReason.DESTROYED, outcome.reason());
    }

    @Test
    void traceThatCannotBeginIsRefusedWithTheReason() {
        Refused typo =
                assertThrows(Refused.class, () -> ask("trace test event_chanel_op,hypercalls"));
        assertEquals(
                "nothing of that name can be traced, or it is named twice: 'event_chanel_op';"
                        + " there are hypercalls, exits, upcalls, xenstore, grants, and single"
                        + " hypercalls such as event_channel_op or event_channel_op/send",
                typo.reason());
        Refused ended = assertThrows(Refused.class, () -> ask("trace test"));
        assertEquals("dom1 (test) cannot be traced: it has ended", ended.reason());
    }

    @Test
    void argumentsMayBeNamed() throws Refused {
        assertEquals(List.of("1"), ask("domid", Json.EMPTY.with("domain", "test")).text());
        ask("pause", Json.EMPTY.with("domain", 1));
        assertTrue(guest.domain().isPaused());
        guest.domain().shutdown(ShutdownReason.CRASH, "");
        ask("shutdown", Json.EMPTY.with("domain", "1").with("wait", new Json.Bool(true)));
        assertEquals(
                List.of(
                        Json.EMPTY.with("asked", Json.texts(List.of("test"))),
                        Json.EMPTY.with("ended", "test")),
                told);
        assertEquals(1, ask("block-list", Json.EMPTY.with("domain", "1")).text().size());
        Json two = Json.texts(List.of("1", "test"));
        assertEquals(1, ask("block-list", Json.EMPTY.with("domain", two)).text().size());
    }

    @Test
    void namedArgumentsThatDoNotFitAreNoCommand() {
        for (Json arguments :
                List.of(
                        Json.EMPTY,
                        Json.EMPTY.with("Domain", "test"),
                        Json.EMPTY.with("domain", Json.EMPTY),
                        Json.EMPTY.with("domain", Json.texts(List.of("test"))),
                        Json.EMPTY.with("domain", "test").with("now", 1),
                        new Json.Array(List.of(Json.EMPTY)),
                        new Json.Text("test"))) {
            Refused refused = assertThrows(Refused.class, () -> ask("pause", arguments));
            assertEquals("the arguments do not fit: pause DOMAIN", refused.reason());
            assertEquals(Refused.Kind.NOT_A_COMMAND, refused.kind());
        }
        assertFalse(guest.domain().isPaused());
    }

    @Test
    void listHasDataForPrograms() {
        Json domains = send("list").data().find("domains");
        String line = JsonWriter.line(Objects.requireNonNull(domains));
        assertTrue(line.startsWith("[{\"name\": \"test\", \"id\": 1, \"uuid\": \""), line);
        assertTrue(line.contains("\"vcpus\": 2, \"state\": \""), line);
        assertEquals(new Json.Int(1), send("domid test").data().find("id"));
    }

    @Test
    void vcpuIsPinnedOnItsThread() throws Exception {
        BitSet own = CpuAffinity.current();
        int cpu = own.nextSetBit(0);
        assertEquals(List.of(), send("vcpu-pin test all " + cpu).text());
        assertTrue(send("vcpu-list").text().get(1).endsWith("  " + cpu + " / all"));
        assertEquals(own, CpuAffinity.current());
        assertEquals(List.of(), send("vcpu-pin test 1 all -").text());
        assertTrue(send("vcpu-list").text().get(2).endsWith("  all / all"));
        assertEquals(List.of(), send("vcpu-pin test 0 - all").text());
        assertTrue(send("vcpu-list").text().get(1).endsWith("  " + cpu + " / all"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "test 2 0|test has no vCPU 2",
                "test first 0|test has no vCPU first",
                "test 0 x|'x' is no CPU or range of CPUs such as 2, 2-3 or ^2",
                "test 0 3-2|'3-2' is no CPU or range of CPUs such as 2, 2-3 or ^2",
                "test 0 9000|'9000' is no CPU or range of CPUs such as 2, 2-3 or ^2",
                "test 0 0,^0|'0,^0' leaves no CPU",
                "test 0 8191|the service may use none of the CPUs 8191",
                "test 0 0 1|soft affinity 1: Linux has none"
            })
    void wrongPinIsRefused(String words, String reason) {
        Refused refused = assertThrows(Refused.class, () -> ask("vcpu-pin " + words));
        assertEquals(reason, refused.reason());
    }

    @Test
    void infoHasXlsItemsOrTheValueOfOne() {
        List<String> all = send("info").text();
        assertTrue(all.getFirst().startsWith("host                   : "), all.getFirst());
        assertTrue(all.contains("xen_version            : 4.19.0-xen-emu"), all::toString);
        assertTrue(all.contains("xend_config_format     : 4"), all::toString);
        assertEquals(List.of("4096"), send("info xen_pagesize").text());
        assertEquals(List.of("4", "19"), send("info xen_m").text());
        assertEquals(List.of(), send("info nothing").text());
    }

    @Test
    void topHasARowForEachDomain() {
        List<String> rows = send("top").text();
        assertEquals(2, rows.size());
        assertTrue(rows.get(0).startsWith("      NAME  STATE   CPU(sec) "), rows.get(0));
        assertTrue(rows.get(1).startsWith("      test "), rows.get(1));
    }

    @Test
    void domainThatDoesNotExistIsAKindOfItsOwn() {
        Refused refused = assertThrows(Refused.class, () -> ask("pause nobody"));
        assertEquals(Refused.Kind.NO_SUCH_DOMAIN, refused.kind());
    }
}
