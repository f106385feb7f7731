package io.xenemu.evtchn;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.util.ArrayList;
import java.util.List;

/// [EventChannelsState] as the body of a frame of saved state.
///
/// Version 1: domid u16, vcpus u32, validPorts u32, count u32, then the ports. A port: number u32, status code u8
/// (`EVTCHNSTAT_*`), vcpu u32, then by code. Unbound: remote domid u16. Interdomain: remote domid u16, port u32. VIRQ:
/// number u8. IPI: nothing.
///
/// Version 2: as version 1; a port with the status PIRQ has its number u32. Then assertedGsis u32, the number of PIRQs
/// u32, and the PIRQs: pirq u32, kind u8 (0 allocated, 1 message, 2 GSI), and for a GSI its number u8. Then u8: whether
/// a FIFO part follows. It has four lists, each with its length u32. Controls: vcpu u32, gfn u64, offset u32. Pages:
/// gfn u64. Tails: vcpu u32, priority u8, port u32. Events: port u32, priority u8, last vcpu u32, last priority u8,
/// waiting u8.
public final class EventChannelsCodec {
    /// The frame type: "EVTC".
    public static final int TYPE = 0x43545645;

    /// The version that [#encode] writes.
    public static final int VERSION = 2;

    private static final int UNBOUND = 1;
    private static final int INTERDOMAIN = 2;
    private static final int PIRQ = 3;
    private static final int VIRQ = 4;
    private static final int IPI = 5;

    private EventChannelsCodec() {}

    /// Writes a body of version [#VERSION].
    public static BodyWriter encode(EventChannelsState state) {
        BodyWriter body = new BodyWriter();
        body.u16(state.domId().value()).u32(state.vcpus()).u32(state.validPorts());
        body.u32(state.ports().size());
        for (EventChannelsState.Port port : state.ports()) {
            EvtchnStatus status = port.status();
            body.u32(port.number()).u8(status.code()).u32(status.vcpu().value());
            switch (status) {
                case EvtchnStatus.Closed _, EvtchnStatus.Ipi _ -> {}
                case EvtchnStatus.Unbound unbound -> body.u16(unbound.remote().value());
                case EvtchnStatus.Interdomain end ->
                        body.u16(end.remote().value()).u32(end.port().value());
                case EvtchnStatus.PirqBound bound -> body.u32(bound.pirq().value());
                case EvtchnStatus.VirqBound bound -> body.u8(bound.virq().number());
            }
        }
        encode(body, state.pirqs());
        FifoState fifo = state.fifo();
        body.bool(fifo != null);
        if (fifo != null) {
            FifoCodec.encode(body, fifo);
        }
        return body;
    }

    private static void encode(BodyWriter body, PirqsState pirqs) {
        body.u32(pirqs.assertedGsis()).u32(pirqs.sources().size());
        for (PirqsState.Source source : pirqs.sources()) {
            body.u32(source.pirq()).u8(code(source.kind()));
            if (source.kind() == PirqsState.Kind.GSI) {
                body.u8(source.gsi());
            }
        }
    }

    /// Reads a body of any version so far. [EventChannels#restore] checks that the ports are consistent.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static EventChannelsState decode(int version, BodyReader body) throws WireException {
        return switch (version) {
            case 1 -> decodeV1(version, body).upgrade();
            case VERSION -> {
                EventChannelsStateV1 common = decodeV1(version, body);
                yield new EventChannelsState(
                        common.domId(),
                        common.vcpus(),
                        common.validPorts(),
                        common.ports(),
                        pirqs(body),
                        body.bool() ? FifoCodec.decode(body) : null);
            }
            default -> throw WireException.unknownVersion("event channels", version);
        };
    }

    /// The part that is the same since version 1.
    private static EventChannelsStateV1 decodeV1(int version, BodyReader body)
            throws WireException {
        DomId domId = new DomId(body.u16());
        int vcpus = body.count(EventChannels.MAX_VCPUS);
        int validPorts = body.count(ServicePorts.LIMIT);
        int count = body.count(ServicePorts.LIMIT);
        List<EventChannelsState.Port> ports = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int number = body.count(ServicePorts.LIMIT);
            ports.add(new EventChannelsState.Port(number, status(version, body)));
        }
        return new EventChannelsStateV1(domId, vcpus, validPorts, ports);
    }

    private static PirqsState pirqs(BodyReader body) throws WireException {
        int asserted = body.u32();
        int count = body.count(Pirqs.MAX);
        List<PirqsState.Source> sources = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int pirq = body.count(Pirqs.MAX);
            PirqsState.Kind kind = kind(body.u8());
            int gsi = kind == PirqsState.Kind.GSI ? body.u8() : 0;
            sources.add(new PirqsState.Source(pirq, kind, gsi));
        }
        return new PirqsState(sources, asserted);
    }

    private static PirqsState.Kind kind(int code) throws WireException {
        return switch (code) {
            case 0 -> PirqsState.Kind.ALLOCATED;
            case 1 -> PirqsState.Kind.MSI;
            case 2 -> PirqsState.Kind.GSI;
            default -> throw new WireException("unknown PIRQ kind: " + code);
        };
    }

    private static int code(PirqsState.Kind kind) {
        return switch (kind) {
            case ALLOCATED -> 0;
            case MSI -> 1;
            case GSI -> 2;
        };
    }

    private static EvtchnStatus status(int version, BodyReader body) throws WireException {
        int code = body.u8();
        if (code == PIRQ && version < 2) {
            throw new WireException("port status PIRQ in version " + version);
        }
        VcpuId vcpu = new VcpuId(body.count(EventChannels.MAX_VCPUS));
        return switch (code) {
            case UNBOUND -> new EvtchnStatus.Unbound(vcpu, new DomId(body.u16()));
            case INTERDOMAIN ->
                    new EvtchnStatus.Interdomain(
                            vcpu, new DomId(body.u16()), EvtchnPort.of(body.u32()));
            case PIRQ -> new EvtchnStatus.PirqBound(vcpu, new Pirq(body.count(Pirqs.MAX)));
            case VIRQ -> new EvtchnStatus.VirqBound(vcpu, virq(body.u8()));
            case IPI -> new EvtchnStatus.Ipi(vcpu);
            default -> throw new WireException("unknown port status: " + code);
        };
    }

    private static Virq virq(int number) throws WireException {
        if (number >= Virq.COUNT) {
            throw new WireException("unknown VIRQ: " + number);
        }
        return new Virq(number);
    }
}
