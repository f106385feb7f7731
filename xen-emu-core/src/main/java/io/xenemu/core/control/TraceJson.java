package io.xenemu.core.control;

import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.core.trace.CallDecoder;
import io.xenemu.core.trace.Shown;
import io.xenemu.core.trace.TraceText;
import io.xenemu.core.trace.TracedCall;
import io.xenemu.core.trace.TracedEvent;
import io.xenemu.core.trace.TracedRecord;
import java.util.List;

/// Prints records for programs, one JSON object a line. Addresses and masks of 64 bits are strings such as
/// `0x1f`. A value that the call has replaced is an object with `before` and `after`.
public final class TraceJson {
    private final CallDecoder decoder;

    public TraceJson(CallDecoder decoder) {
        this.decoder = decoder;
    }

    /// One record.
    public String line(TracedRecord record) {
        return switch (record) {
            case TracedCall call -> call(call);
            case TracedEvent event -> event(event);
        };
    }

    private static String event(TracedEvent event) {
        Json.Obj json = Json.EMPTY.with("time_ns", event.time()).with("event", event.kind().word());
        if (event.vcpu() >= 0) {
            json = json.with("vcpu", event.vcpu());
        }
        return JsonWriter.line(json.with("text", event.text()).with("lost", event.lost()));
    }

    private String call(TracedCall call) {
        HypercallOp row = decoder.row(call);
        Json.Obj json =
                Json.EMPTY
                        .with("time_ns", call.begin())
                        .with("duration_ns", call.end() - call.begin())
                        .with("vcpu", call.vcpu())
                        .with("hypercall", row.hypercall())
                        .with("op", row.op())
                        .with("number", hex(call.number()))
                        .with("arguments", members(decoder.arguments(call)))
                        .with("result", call.result());
        String error = TraceText.error(call);
        if (error != null) {
            json = json.with("error", error);
        }
        if (call.isWithin()) {
            json = json.with("in_multicall", new Json.Bool(true));
        }
        if (call.isCut()) {
            json = json.with("cut", new Json.Bool(true));
        }
        return JsonWriter.line(json.with("lost", call.lost()));
    }

    private static Json members(List<Shown.Member> members) {
        Json.Obj json = Json.EMPTY;
        for (Shown.Member member : members) {
            json = json.with(member.name(), value(member.value()));
        }
        return json;
    }

    private static Json value(Shown value) {
        return switch (value) {
            case Shown.Word(long number, boolean isAddress) ->
                    isAddress ? new Json.Text(hex(number)) : new Json.Int(number);
            case Shown.Text(String text) -> new Json.Text(text);
            case Shown.Hex(String digits, _) -> new Json.Text(digits);
            case Shown.Members(List<Shown.Member> members) -> members(members);
            case Shown.Items(List<Shown> items, _) ->
                    new Json.Array(items.stream().map(TraceJson::value).toList());
            case Shown.Changed(Shown before, Shown after) ->
                    Json.EMPTY.with("before", value(before)).with("after", value(after));
        };
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
