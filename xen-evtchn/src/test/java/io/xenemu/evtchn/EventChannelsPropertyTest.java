package io.xenemu.evtchn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;

/// Random operations of two guests and the service, against [ModelDomain]. After each step the ports, the guests' memory and
/// the kernel's table are as the model has them.
final class EventChannelsPropertyTest {
    private static final int VCPUS = 3;

    enum Kind {
        ALLOC_UNBOUND,
        BIND_INTERDOMAIN,
        BIND_VIRQ,
        BIND_IPI,
        CLOSE,
        SEND,
        BIND_VCPU,
        UNMASK,
        RESET,
        RAISE_VIRQ,
        GUEST_MASKS,
        GUEST_CONSUMES,
        SERVICE_BINDS,
        SERVICE_NOTIFIES,
        SERVICE_CLOSES
    }

    /// One operation of guest 1 or 2; what `a` and `b` mean depends on the kind.
    record Step(Kind kind, boolean second, int a, int b) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        Arbitrary<Step> step =
                Combinators.combine(
                                Arbitraries.frequency(
                                        Tuple.of(20, Kind.ALLOC_UNBOUND),
                                        Tuple.of(20, Kind.BIND_INTERDOMAIN),
                                        Tuple.of(8, Kind.BIND_VIRQ),
                                        Tuple.of(8, Kind.BIND_IPI),
                                        Tuple.of(12, Kind.CLOSE),
                                        Tuple.of(20, Kind.SEND),
                                        Tuple.of(8, Kind.BIND_VCPU),
                                        Tuple.of(8, Kind.UNMASK),
                                        Tuple.of(1, Kind.RESET),
                                        Tuple.of(5, Kind.RAISE_VIRQ),
                                        Tuple.of(8, Kind.GUEST_MASKS),
                                        Tuple.of(8, Kind.GUEST_CONSUMES),
                                        Tuple.of(15, Kind.SERVICE_BINDS),
                                        Tuple.of(10, Kind.SERVICE_NOTIFIES),
                                        Tuple.of(5, Kind.SERVICE_CLOSES)),
                                Arbitraries.of(true, false),
                                Arbitraries.integers().between(-1, 12),
                                Arbitraries.integers().between(-1, 12))
                        .as(Step::new);
        return step.list().ofMinSize(1).ofMaxSize(120);
    }

    @Property(tries = 300)
    void agreesWithTheModel(@ForAll("steps") List<Step> steps, @ForAll GuestWidth width) {
        try (Arena arena = Arena.ofConfined()) {
            Run run = new Run(arena, width);
            for (Step step : steps) {
                run.apply(step);
            }
        }
    }

    /// The implementation and the model, side by side.
    private static final class Run {
        private final Map<Integer, ModelDomain> world = new HashMap<>();
        private final ModelDomain modelService;
        private final ModelDomain[] models;
        private final FakeGuest[] guests;
        private final List<ServicePort> ends = new ArrayList<>();
        private final List<Boolean> open = new ArrayList<>();
        private final AtomicInteger signals = new AtomicInteger();

        Run(Arena arena, GuestWidth width) {
            FakeGuest first = new FakeGuest(arena, width, VCPUS);
            guests =
                    new FakeGuest[] {
                        first, new FakeGuest(arena, width, VCPUS, new DomId(2), first)
                    };
            modelService = new ModelDomain(0, 1, ServicePorts.LIMIT, world);
            models =
                    new ModelDomain[] {
                        new ModelDomain(1, VCPUS, TwoLevel.limit(width), world),
                        new ModelDomain(2, VCPUS, TwoLevel.limit(width), world)
                    };
            for (ModelDomain model : models) {
                model.wordBits = width.bytes() * 8;
            }
        }

        void apply(Step step) {
            int which = step.second() ? 1 : 0;
            ModelDomain model = models[which];
            FakeGuest guest = guests[which];
            String actual = actual(step, guest);
            String expected = expected(step, model);
            assertEquals(expected, actual, step::toString);
            for (int i = 0; i < models.length; i++) {
                compare(guests[i], models[i], step);
            }
            assertEquals(modelService.signals, signals.get(), step::toString);
        }

        private String expected(Step step, ModelDomain model) {
            int a = step.a();
            int b = step.b();
            return switch (step.kind()) {
                case ALLOC_UNBOUND ->
                        model.allocUnbound(b > 10 ? b % 3 : model.id, Math.max(a, 0) % 4);
                case BIND_INTERDOMAIN -> model.bindInterdomain(Math.max(a, 0) % 4, b, false);
                case BIND_VIRQ -> model.bindVirq(Math.max(b, 0), a);
                case BIND_IPI -> model.bindIpi(a);
                case CLOSE -> model.close(a);
                case SEND -> model.send(a);
                case BIND_VCPU -> model.bindVcpu(a, b);
                case UNMASK -> model.unmask(a);
                case RESET -> model.reset();
                case RAISE_VIRQ -> model.raiseVirq(Math.max(a, 0), Math.max(b, 0) % VCPUS);
                case GUEST_MASKS -> {
                    model.masked.add(Math.max(a, 0));
                    yield "OK";
                }
                case GUEST_CONSUMES -> {
                    int vcpu = Math.max(a, 0) % VCPUS;
                    model.upcallPending.remove(vcpu);
                    model.selected.remove(vcpu);
                    model.pending.remove(Math.max(b, 0));
                    yield "OK";
                }
                case SERVICE_BINDS -> modelService.bindInterdomain(model.id, a, true);
                case SERVICE_NOTIFIES -> {
                    int end = Math.max(a, 0);
                    if (end < ends.size() && open.get(end)) {
                        modelService.send(ends.get(end).port().value());
                    }
                    yield "OK";
                }
                case SERVICE_CLOSES -> {
                    int end = Math.max(a, 0);
                    if (end < ends.size() && open.get(end)) {
                        modelService.close(ends.get(end).port().value());
                        open.set(end, false);
                    }
                    yield "OK";
                }
            };
        }

        private String actual(Step step, FakeGuest guest) {
            try {
                return perform(step, guest);
            } catch (XenError e) {
                return e.symbol();
            }
        }

        private String perform(Step step, FakeGuest guest) throws XenError {
            EventChannels channels = guest.channels;
            int a = step.a();
            int b = step.b();
            EvtchnPort port = EvtchnPort.of(a);
            switch (step.kind()) {
                case ALLOC_UNBOUND -> {
                    DomId dom = b > 10 ? new DomId(b % 3) : DomId.SELF;
                    return channels.allocUnbound(dom, new DomId(Math.max(a, 0) % 4)).toString();
                }
                case BIND_INTERDOMAIN -> {
                    DomId remote = new DomId(Math.max(a, 0) % 4);
                    return channels.bindInterdomain(remote, EvtchnPort.of(b)).toString();
                }
                case BIND_VIRQ -> {
                    Virq virq = Virq.of(Math.max(b, 0));
                    return channels.bindVirq(virq, channels.vcpuId(a)).toString();
                }
                case BIND_IPI -> {
                    return channels.bindIpi(channels.vcpuId(a)).toString();
                }
                case CLOSE -> channels.close(port);
                case SEND -> channels.send(port);
                case BIND_VCPU -> channels.bindVcpu(port, channels.vcpuId(b));
                case UNMASK -> channels.unmask(port);
                case RESET -> channels.reset(DomId.SELF);
                case RAISE_VIRQ -> raise(channels, Virq.of(Math.max(a, 0)), Math.max(b, 0) % VCPUS);
                case GUEST_MASKS -> guest.setMasked(Math.max(a, 0), true);
                case GUEST_CONSUMES -> {
                    guest.takeUpcall(Math.max(a, 0) % VCPUS);
                    guest.setPending(Math.max(b, 0), false);
                }
                case SERVICE_BINDS -> {
                    ServicePort end =
                            guest.service.bindInterdomain(
                                    channels.domId(), port, signals::incrementAndGet);
                    ends.add(end);
                    open.add(true);
                    return end.port().toString();
                }
                case SERVICE_NOTIFIES -> {
                    if (Math.max(a, 0) < ends.size()) {
                        ends.get(Math.max(a, 0)).notifyGuest();
                    }
                }
                case SERVICE_CLOSES -> {
                    if (Math.max(a, 0) < ends.size()) {
                        ends.get(Math.max(a, 0)).close();
                    }
                }
            }
            return "OK";
        }

        private static void raise(EventChannels channels, Virq virq, int vcpu) {
            if (virq.isGlobal()) {
                channels.raiseGlobal(virq);
            } else {
                channels.raiseVcpu(virq, new VcpuId(vcpu));
            }
        }

        private static void compare(FakeGuest guest, ModelDomain model, Step step) {
            for (int i = 1; i < 64; i++) {
                int port = i;
                assertEquals(
                        model.status(i), status(guest, i), () -> "port " + port + " after " + step);
                assertEquals(model.pending.contains(i), guest.pending(i), step::toString);
                assertEquals(model.masked.contains(i), guest.masked(i), step::toString);
            }
            for (int i = 0; i < VCPUS; i++) {
                long selected = 0;
                for (int word : model.selected.getOrDefault(i, Set.of())) {
                    selected |= 1L << word;
                }
                assertEquals(selected, guest.selector(i), step::toString);
                assertEquals(model.upcallPending.contains(i), guest.upcallPending(i));
            }
            assertEquals(model.upcalls, guest.upcalls, step::toString);
            assertEquals(model.kernelTable(), kernelTable(guest.kernel), step::toString);
        }

        private static EvtchnStatus status(FakeGuest guest, int port) {
            try {
                return guest.channels.status(DomId.SELF, EvtchnPort.of(port));
            } catch (XenError e) {
                throw new AssertionError(e);
            }
        }

        private static Map<Integer, String> kernelTable(FakeKernel kernel) {
            Map<Integer, String> table = new TreeMap<>();
            kernel.table.forEach((port, entry) ->
                    table.put(
                            port,
                            switch (entry) {
                                case FakeKernel.Entry.Port(int target, int vcpu) ->
                                        target + "@" + vcpu;
                                case FakeKernel.Entry.EventFd _ -> "eventfd";
                                case FakeKernel.Entry.Ringing(FakeKernel.Doorbell far) ->
                                        "rings " + far.port + "@" + far.vcpu;
                            }));
            return table;
        }
    }
}
