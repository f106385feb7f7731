package io.xenemu.evtchn;

import io.xenemu.kvm.memory.GuestMemory;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// The FIFO part of [EventChannelsCodec]; the layout is described there.
final class FifoCodec {
    private static final int MAX_PAGES = Fifo.PORTS / EventArray.WORDS;
    private static final int MAX_QUEUES = EventChannels.MAX_VCPUS * Fifo.PRIORITIES;

    private FifoCodec() {}

    static void encode(BodyWriter body, FifoState state) {
        body.u32(state.controls().size());
        for (FifoState.Control control : state.controls()) {
            body.u32(control.vcpu()).u64(control.gfn()).u32(control.offset());
        }
        body.u32(state.pages().size());
        for (long gfn : state.pages()) {
            body.u64(gfn);
        }
        body.u32(state.tails().size());
        for (FifoState.Tail tail : state.tails()) {
            body.u32(tail.vcpu()).u8(tail.priority()).u32(tail.port());
        }
        body.u32(state.events().size());
        for (FifoState.Event event : state.events()) {
            body.u32(event.port()).u8(event.priority());
            body.u32(event.lastVcpu()).u8(event.lastPriority()).bool(event.waiting());
        }
    }

    static FifoState decode(BodyReader body) throws WireException {
        List<FifoState.Control> controls = new ArrayList<>();
        for (int i = body.count(EventChannels.MAX_VCPUS); i > 0; i--) {
            int vcpu = body.count(EventChannels.MAX_VCPUS);
            long gfn = body.u64();
            controls.add(new FifoState.Control(vcpu, gfn, body.count(GuestMemory.PAGE_SIZE)));
        }
        List<Long> pages = new ArrayList<>();
        for (int i = body.count(MAX_PAGES); i > 0; i--) {
            pages.add(body.u64());
        }
        List<FifoState.Tail> tails = new ArrayList<>();
        for (int i = body.count(MAX_QUEUES); i > 0; i--) {
            int vcpu = body.count(EventChannels.MAX_VCPUS);
            int priority = body.u8();
            tails.add(new FifoState.Tail(vcpu, priority, body.count(Fifo.PORTS)));
        }
        List<FifoState.Event> events = new ArrayList<>();
        for (int i = body.count(Fifo.PORTS); i > 0; i--) {
            int port = body.count(Fifo.PORTS);
            int priority = body.u8();
            int lastVcpu = body.count(EventChannels.MAX_VCPUS);
            int lastPriority = body.u8();
            events.add(new FifoState.Event(port, priority, lastVcpu, lastPriority, body.bool()));
        }
        return new FifoState(controls, pages, tails, events);
    }
}
