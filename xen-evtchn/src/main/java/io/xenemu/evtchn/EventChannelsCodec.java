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
/// Version 1: domid u16, vcpus u32, validPorts u32, count u32, then for each port number u32, status code u8
/// (`EVTCHNSTAT_*`), vcpu u32, and by code: unbound remote domid u16; interdomain remote domid u16 and port u32; virq
/// number u8; ipi nothing.
public final class EventChannelsCodec {
    /// The frame type: "EVTC".
    public static final int TYPE = 0x43545645;

    /// The version that [#encode] writes.
    public static final int VERSION = 1;

    private static final int UNBOUND = 1;
    private static final int INTERDOMAIN = 2;
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
                case EvtchnStatus.VirqBound bound -> body.u8(bound.virq().number());
            }
        }
        return body;
    }

    /// Reads a body of any version so far. That the ports fit together is for [EventChannels#restore] to check.
    ///
    /// @throws WireException if the version is unknown or a value out of range
    public static EventChannelsState decode(int version, BodyReader body) throws WireException {
        if (version != VERSION) {
            throw WireException.unknownVersion("event channels", version);
        }
        DomId domId = new DomId(body.u16());
        int vcpus = body.count(EventChannels.MAX_VCPUS);
        int validPorts = body.count(ServicePorts.LIMIT);
        int count = body.count(ServicePorts.LIMIT);
        List<EventChannelsState.Port> ports = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int number = body.count(ServicePorts.LIMIT);
            ports.add(new EventChannelsState.Port(number, status(body)));
        }
        return new EventChannelsState(domId, vcpus, validPorts, ports);
    }

    private static EvtchnStatus status(BodyReader body) throws WireException {
        int code = body.u8();
        VcpuId vcpu = new VcpuId(body.count(EventChannels.MAX_VCPUS));
        return switch (code) {
            case UNBOUND -> new EvtchnStatus.Unbound(vcpu, new DomId(body.u16()));
            case INTERDOMAIN ->
                    new EvtchnStatus.Interdomain(
                            vcpu, new DomId(body.u16()), EvtchnPort.of(body.u32()));
            case VIRQ -> new EvtchnStatus.VirqBound(vcpu, virq(body.u8()));
            case IPI -> new EvtchnStatus.Ipi(vcpu);
            default -> throw new WireException("unknown status of a port: " + code);
        };
    }

    private static Virq virq(int number) throws WireException {
        if (number >= Virq.COUNT) {
            throw new WireException("unknown VIRQ: " + number);
        }
        return new Virq(number);
    }
}
