package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.one;

import io.xenemu.core.domain.Domain;
import io.xenemu.core.json.Json;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.evtchn.EventChannelsState;
import io.xenemu.evtchn.EvtchnStatus;
import io.xenemu.gnttab.GrantTableState;
import java.util.List;

/// What guests share with others: their event channels and grants, as debug keys show those of all guests. Nothing here
/// waits for a vCPU.
final class ChannelCommands {
    private static final String DOMAIN = "domain";

    static final List<Verb> VERBS =
            List.of(
                    Verb.reads(
                            "evtchn-list",
                            "List the event channels of a guest, their other ends, and which are pending.",
                            ChannelCommands::channels,
                            one(DOMAIN)),
                    Verb.reads(
                            "grant-list",
                            "List the grants of a guest that others map, and the grants that it maps.",
                            ChannelCommands::grants,
                            one(DOMAIN)));

    private ChannelCommands() {}

    private static ControlReply channels(OperatedService service, VerbCall call) throws Refused {
        Domain domain = service.named().named(call.one(DOMAIN));
        DebugRows rows = new DebugRows();
        DomainDebug.eventChannels(domain, rows);
        List<Json> ports =
                domain.eventChannels().save().ports().stream()
                        .limit(DomainDebug.MAX_ROWS)
                        .<Json>map(port -> channel(domain, port))
                        .toList();
        return ControlReply.rows(rows.all()).with("channels", new Json.Array(ports));
    }

    private static Json.Obj channel(Domain domain, EventChannelsState.Port port) {
        Json.Obj row =
                Json.EMPTY
                        .with("port", port.number())
                        .with("vcpu", port.status().vcpu().value())
                        .with(
                                "pending",
                                new Json.Bool(
                                        DomainDebug.isPending(
                                                domain.eventChannels(), port.number())));
        return switch (port.status()) {
            case EvtchnStatus.Closed _ -> row.with("type", "closed");
            case EvtchnStatus.Unbound(_, var remote) ->
                    row.with("type", "unbound").with("domain", remote.value());
            case EvtchnStatus.Interdomain(_, var remote, var other) ->
                    row.with("type", "interdomain")
                            .with("domain", remote.value())
                            .with("other", other.value());
            case EvtchnStatus.PirqBound(_, var pirq) ->
                    row.with("type", "pirq").with("number", pirq.value());
            case EvtchnStatus.VirqBound(_, var virq) ->
                    row.with("type", "virq").with("number", virq.number());
            case EvtchnStatus.Ipi _ -> row.with("type", "ipi");
        };
    }

    private static ControlReply grants(OperatedService service, VerbCall call) throws Refused {
        Domain domain = service.named().named(call.one(DOMAIN));
        DebugRows rows = new DebugRows();
        DomainDebug.grants(domain, rows);
        GrantTableState state = domain.grantTable().save();
        List<Json> mapped =
                state.mappings().stream()
                        .limit(DomainDebug.MAX_ROWS)
                        .<Json>map(grant ->
                                Json.EMPTY
                                        .with("ref", grant.ref().value())
                                        .with("mapper", grant.mapper().value())
                                        .with("readers", grant.readers())
                                        .with("writers", grant.writers()))
                        .toList();
        List<Json> maps =
                state.tracked().stream()
                        .limit(DomainDebug.MAX_ROWS)
                        .<Json>map(mapping ->
                                Json.EMPTY
                                        .with("handle", mapping.handle())
                                        .with("ref", mapping.ref().value())
                                        .with("granter", mapping.granter().value())
                                        .with("read_only", new Json.Bool(mapping.readOnly())))
                        .toList();
        return ControlReply.rows(rows.all())
                .with("grants", new Json.Array(mapped))
                .with("maps", new Json.Array(maps))
                .with("frames", new Json.Int(state.frames()))
                .with("max_frames", new Json.Int(state.limits().maxGrantFrames()));
    }
}
