package io.xenemu.evtchn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.GuestWidth;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.WireException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// The implementation and the model, side by side: two guests and the service.
final class ModelRun {
    private static final int VCPUS = 3;

    /// Ports that are compared; no run uses more.
    private static final int PORTS = 64;

    enum Kind {
        ALLOC_UNBOUND,
        ALLOC_UNBOUND_SELF,
        BIND_INTERDOMAIN,
        BIND_LOOPBACK,
        CONNECT,
        BIND_VIRQ,
        BIND_IPI,
        BIND_PIRQ,
        CLOSE,
        SEND,
        BIND_VCPU,
        UNMASK,
        SET_PRIORITY,
        RESET,
        START_FIFO,
        RAISE_VIRQ,
        RAISE_MSI,
        GUEST_MASKS,
        GUEST_CONSUMES,
        SERVICE_BINDS,
        SERVICE_NOTIFIES,
        SERVICE_CLOSES,
        SAVE_AND_RESTORE
    }

    /// One operation of guest 1 or 2; what `a` and `b` mean depends on the kind.
    record Step(Kind kind, boolean second, int a, int b) {
        /// `a` as something that is not negative.
        int some() {
            return Math.max(a, 0);
        }

        int other() {
            return Math.max(b, 0);
        }

        int vcpu() {
            return some() % VCPUS;
        }
    }

    private final Map<Integer, ModelDomain> world = new HashMap<>();
    private final ModelDomain modelService = new ModelDomain(0, 1, ServicePorts.LIMIT, world);
    private final ModelDomain[] models;
    private final FifoGuest[] guests;
    private final List<ServicePort> ends = new ArrayList<>();
    private final List<Boolean> open = new ArrayList<>();
    private final AtomicInteger signals = new AtomicInteger();
    private boolean restored;

    ModelRun(Arena arena, GuestWidth width) {
        FifoGuest first = new FifoGuest(arena, width, VCPUS, FakeGuest.ID, null);
        FifoGuest second = new FifoGuest(arena, width, VCPUS, new DomId(2), first.guest);
        guests = new FifoGuest[] {first, second};
        models =
                new ModelDomain[] {
                    new ModelDomain(1, VCPUS, TwoLevel.limit(width), world),
                    new ModelDomain(2, VCPUS, TwoLevel.limit(width), world)
                };
        for (ModelDomain model : models) {
            model.bitmaps.wordBits = width.bytes() * 8;
        }
        for (FifoGuest guest : guests) {
            guest.guest.kernel.rings = true;
        }
    }

    void apply(Step step) {
        int which = step.second() ? 1 : 0;
        String actual = actual(step, guests[which]);
        assertEquals(expected(step, models[which]), actual, step::toString);
        for (int i = 0; i < models.length; i++) {
            compare(guests[i], models[i], step);
        }
        assertEquals(modelService.signals, signals.get(), step::toString);
    }

    private String expected(Step step, ModelDomain model) {
        int a = step.a();
        int b = step.b();
        return switch (step.kind()) {
            case ALLOC_UNBOUND -> model.allocUnbound(b > 10 ? b % 3 : model.id, step.some() % 4);
            case ALLOC_UNBOUND_SELF -> model.allocUnbound(model.id, model.id);
            case BIND_INTERDOMAIN -> model.bindInterdomain(step.some() % 4, b, false);
            case BIND_LOOPBACK -> model.bindInterdomain(model.id, b, false);
            case CONNECT -> {
                int offered = model.lowestFree();
                model.allocUnbound(model.id, 3 - model.id);
                yield models[2 - model.id].bindInterdomain(model.id, offered, false);
            }
            case BIND_VIRQ -> model.bindVirq(step.other(), a);
            case BIND_IPI -> model.bindIpi(a);
            case BIND_PIRQ -> model.bindPirq(b == 12 ? Pirqs.DEFAULT : a);
            case CLOSE -> model.close(a);
            case SEND -> model.send(a);
            case BIND_VCPU -> model.bindVcpu(a, b);
            case UNMASK -> model.unmask(a);
            case SET_PRIORITY -> model.setPriority(a, b * 2 - 4);
            case RESET -> model.reset();
            case START_FIFO -> model.startFifo();
            case RAISE_VIRQ -> model.raiseVirq(step.some(), step.other() % VCPUS);
            case RAISE_MSI -> model.raiseMsi(a);
            case GUEST_MASKS -> {
                model.delivery().masked.add(step.some());
                yield "OK";
            }
            case GUEST_CONSUMES -> consume(step, model);
            case SERVICE_BINDS -> modelService.bindInterdomain(model.id, a, true);
            case SERVICE_NOTIFIES -> {
                if (isOpen(step)) {
                    modelService.send(ends.get(step.some()).port().value());
                }
                yield "OK";
            }
            case SERVICE_CLOSES -> {
                if (isOpen(step)) {
                    modelService.close(ends.get(step.some()).port().value());
                    open.set(step.some(), false);
                }
                yield "OK";
            }
            case SAVE_AND_RESTORE -> "OK";
        };
    }

    private boolean isOpen(Step step) {
        return step.some() < ends.size() && open.get(step.some());
    }

    private static String consume(Step step, ModelDomain model) {
        ModelDelivery.Fifo fifo = model.fifo;
        if (fifo != null) {
            return fifo.consume(step.vcpu(), step.other()).toString();
        }
        model.upcallPending.remove(step.vcpu());
        model.bitmaps.selected.remove(step.vcpu());
        model.bitmaps.pending.remove(step.other());
        return "OK";
    }

    private String actual(Step step, FifoGuest guest) {
        try {
            @Nullable Object result = perform(step, guest, guest.guest.channels);
            return result == null ? "OK" : result.toString();
        } catch (XenError e) {
            return e.symbol();
        }
    }

    private @Nullable Object perform(Step step, FifoGuest guest, EventChannels channels)
            throws XenError {
        int a = step.a();
        int b = step.b();
        EvtchnPort port = EvtchnPort.of(a);
        switch (step.kind()) {
            case ALLOC_UNBOUND -> {
                DomId dom = b > 10 ? new DomId(b % 3) : DomId.SELF;
                return channels.allocUnbound(dom, new DomId(step.some() % 4));
            }
            case ALLOC_UNBOUND_SELF -> {
                return channels.allocUnbound(DomId.SELF, DomId.SELF);
            }
            case BIND_INTERDOMAIN -> {
                return channels.bindInterdomain(new DomId(step.some() % 4), EvtchnPort.of(b));
            }
            case BIND_LOOPBACK -> {
                return channels.bindInterdomain(DomId.SELF, EvtchnPort.of(b));
            }
            case CONNECT -> {
                FakeGuest other = guests[step.second() ? 0 : 1].guest;
                EvtchnPort offered = channels.allocUnbound(DomId.SELF, other.channels.domId());
                return other.channels.bindInterdomain(channels.domId(), offered);
            }
            case BIND_VIRQ -> {
                return channels.bindVirq(Virq.of(step.other()), channels.vcpuId(a));
            }
            case BIND_IPI -> {
                return channels.bindIpi(channels.vcpuId(a));
            }
            case BIND_PIRQ -> {
                return channels.bindPirq(new Pirq(b == 12 ? Pirqs.DEFAULT : a), b);
            }
            case CLOSE -> channels.close(port);
            case SEND -> channels.send(port);
            case BIND_VCPU -> channels.bindVcpu(port, channels.vcpuId(b));
            case UNMASK -> channels.unmask(port);
            case SET_PRIORITY -> channels.setPriority(port, b * 2 - 4);
            case RESET -> channels.reset(DomId.SELF);
            case START_FIFO -> {
                if (channels.isFifo()) {
                    guest.initControl(0);
                } else {
                    guest.start(1);
                }
            }
            case RAISE_VIRQ -> raise(channels, Virq.of(step.some()), step.other() % VCPUS);
            case RAISE_MSI -> channels.pirqs().raiseMsi(new Pirq(a));
            case GUEST_MASKS -> {
                if (channels.isFifo()) {
                    guest.mask(step.some());
                } else {
                    guest.guest.setMasked(step.some(), true);
                }
            }
            case GUEST_CONSUMES -> {
                if (channels.isFifo()) {
                    return guest.consume(step.vcpu(), step.other());
                }
                guest.guest.takeUpcall(step.vcpu());
                guest.guest.setPending(step.other(), false);
            }
            case SERVICE_BINDS -> {
                ServicePort end =
                        guest.guest.service.bindInterdomain(
                                channels.domId(), port, signals::incrementAndGet);
                ends.add(end);
                open.add(true);
                return end.port();
            }
            case SERVICE_NOTIFIES -> {
                if (step.some() < ends.size()) {
                    ends.get(step.some()).notifyGuest();
                }
            }
            case SERVICE_CLOSES -> {
                if (step.some() < ends.size()) {
                    ends.get(step.some()).close();
                }
            }
            case SAVE_AND_RESTORE -> restore(guest.guest);
        }
        return null;
    }

    private static void raise(EventChannels channels, Virq virq, int vcpu) {
        if (virq.isGlobal()) {
            channels.raiseGlobal(virq);
        } else {
            channels.raiseVcpu(virq, new VcpuId(vcpu));
        }
    }

    /// A new process takes over from the bytes of the old one's state, and the same guest memory.
    private void restore(FakeGuest guest) {
        byte[] bytes = EventChannelsCodec.encode(guest.channels.save()).toBytes();
        guest.kernel.reset();
        try {
            guest.channels =
                    EventChannels.restore(
                            EventChannelsCodec.decode(
                                    EventChannelsCodec.VERSION, new BodyReader(bytes)),
                            EvtchnOptions.of(VCPUS).withFifo(true),
                            guest.environment(guest::find, guest.kernel),
                            new EventChannelMetrics(new SimpleMeterRegistry(), FakeGuest.ID));
        } catch (WireException e) {
            throw new AssertionError(e);
        }
        guest.channels.setSharedInfo(guest.shared, guest.width);
        guest.channels.rebuildKernelPorts();
        guest.channels.announcePending();
        restored = true;
    }

    private void compare(FifoGuest fifoGuest, ModelDomain model, Step step) {
        FakeGuest guest = fifoGuest.guest;
        ModelDelivery.Fifo fifo = model.fifo;
        for (int i = 1; i < PORTS; i++) {
            int port = i;
            assertEquals(
                    model.status(i), status(guest, i), () -> "port " + port + " after " + step);
            assertEquals(model.delivery().pending.contains(i), isPending(guest, i), step::toString);
            assertEquals(model.bitmaps.pending.contains(i), guest.pending(i), step::toString);
            assertEquals(model.bitmaps.masked.contains(i), guest.masked(i), step::toString);
            if (fifo != null) {
                assertEquals(fifo.pending.contains(i), fifoGuest.pending(i), step::toString);
                assertEquals(fifo.linked.contains(i), fifoGuest.linked(i), step::toString);
            }
        }
        assertEquals(model.kernelTable(), kernelTable(guest.kernel), step::toString);
        assertEquals(model.doorbells(), doorbells(guest.kernel), step::toString);
        assertEquals(model.routes(), guest.kernel.routes, step::toString);
        if (restored) {
            // A restored domain announces more than is due, never less.
            for (int vcpu : model.upcallPending) {
                assertEquals(true, guest.upcallPending(vcpu), step::toString);
            }
            return;
        }
        for (int i = 0; i < VCPUS; i++) {
            long selected = 0;
            for (int word : model.bitmaps.selected.getOrDefault(i, Set.of())) {
                selected |= 1L << word;
            }
            assertEquals(selected, guest.selector(i), step::toString);
            assertEquals(model.upcallPending.contains(i), guest.upcallPending(i));
        }
        assertEquals(model.upcalls, guest.upcalls, step::toString);
    }

    private static EvtchnStatus status(FakeGuest guest, int port) {
        try {
            return guest.channels.status(DomId.SELF, EvtchnPort.of(port));
        } catch (XenError e) {
            throw new AssertionError(e);
        }
    }

    /// Whether an event is pending, of a closed port too.
    private static boolean isPending(FakeGuest guest, int port) {
        Bindings bindings = guest.channels.bindings;
        EventAbi abi = bindings.delivery.abi();
        return abi != null && abi.isPending(bindings.ports.at(port));
    }

    private static Map<Integer, String> kernelTable(FakeKernel kernel) {
        Map<Integer, String> table = new TreeMap<>();
        kernel.table.forEach((port, entry) ->
                table.put(
                        port,
                        switch (entry) {
                            case FakeKernel.Entry.Port(int target, int vcpu) -> target + "@" + vcpu;
                            case FakeKernel.Entry.EventFd _ -> "eventfd";
                            case FakeKernel.Entry.Ringing(FakeKernel.Doorbell far) ->
                                    "rings " + far.port + "@" + far.vcpu;
                        }));
        return table;
    }

    private static Map<Integer, Integer> doorbells(FakeKernel kernel) {
        Map<Integer, Integer> table = new TreeMap<>();
        kernel.doorbells.forEach((port, doorbell) -> table.put(port, doorbell.vcpu));
        return table;
    }
}
