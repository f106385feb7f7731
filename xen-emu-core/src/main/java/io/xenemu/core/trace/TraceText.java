package io.xenemu.core.trace;

import io.xenemu.core.hypercall.HypercallContext;
import io.xenemu.core.hypercall.HypercallOp;
import io.xenemu.kvm.abi.XenError;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Prints records, one a line: calls as strace prints system calls, and events by their kind.
///
/// ```
///     0.001234 v0 event_channel_op(bind_virq, {virq=0, vcpu=0, port=0->4}) = 0
///     0.001301 v0 event_channel_op(close, {port=99}) = -22 EINVAL
///     0.001377 v0 exits: IO write 0x3f8, 1 bytes
/// ```
///
/// The time is in seconds since the trace began.
public final class TraceText {
    private static final double NANOS = 1e9;
    private static final Pattern CONTROLS = Pattern.compile("[\\p{Cc}\\p{Zl}\\p{Zp}]");

    private final CallDecoder decoder;

    public TraceText(CallDecoder decoder) {
        this.decoder = decoder;
    }

    /// The line of a record. No character that comes from the guest can end the line.
    public String line(TracedRecord record) {
        return switch (record) {
            case TracedCall call -> call(call);
            case TracedEvent event -> event(event);
        };
    }

    private static String event(TracedEvent event) {
        return "%13.6f %s %s: %s"
                .formatted(
                        event.time() / NANOS,
                        event.vcpu() < 0 ? "--" : "v" + event.vcpu(),
                        event.kind().word(),
                        printable(event.text()));
    }

    /// The text without characters that a terminal obeys.
    public static String printable(String text) {
        return CONTROLS.matcher(text).replaceAll("?");
    }

    private String call(TracedCall call) {
        HypercallOp row = decoder.row(call);
        List<String> arguments = new ArrayList<>();
        if (!row.op().isEmpty()) {
            arguments.add(row.op().equals("unknown") ? hex(call.word(0)) : row.op());
        }
        for (Shown.Member argument : decoder.arguments(call)) {
            arguments.add(text(argument.value(), argument.name()));
        }
        String name = row.number() < 0 ? "hypercall " + call.number() : row.hypercall();
        return "%13.6f v%d %s%s(%s) = %s%s"
                .formatted(
                        call.begin() / NANOS,
                        call.vcpu(),
                        call.isWithin() ? "| " : "",
                        name,
                        String.join(", ", arguments),
                        result(call),
                        call.isCut() ? " (not all of its memory was recorded)" : "");
    }

    private static String result(TracedCall call) {
        if (call.result() == HypercallContext.CONTINUED) {
            return "? (the guest calls again)";
        }
        String error = error(call);
        return call.result() + (error == null ? "" : " " + error);
    }

    /// The name of the error of a call; null if it has succeeded.
    public static @Nullable String error(TracedCall call) {
        for (XenError error : XenError.ALL) {
            if (call.result() == -error.number()) {
                return error.symbol();
            }
        }
        return null;
    }

    /// A number or data with its name in front, a structure without.
    private static String text(Shown value, String name) {
        return switch (value) {
            case Shown.Members _, Shown.Items _ -> text(value);
            default -> name + '=' + text(value);
        };
    }

    private static String text(Shown value) {
        return switch (value) {
            case Shown.Word(long number, boolean isAddress) ->
                    isAddress ? hex(number) : Long.toString(number);
            case Shown.Text(String text) ->
                    '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
            case Shown.Hex(String digits, boolean isCut) -> digits + (isCut ? "..." : "");
            case Shown.Members(List<Shown.Member> members) ->
                    members.stream()
                            .map(it -> it.name() + '=' + text(it.value()))
                            .collect(Collectors.joining(", ", "{", "}"));
            case Shown.Items(List<Shown> items, boolean isCut) ->
                    items.stream()
                            .map(TraceText::text)
                            .collect(Collectors.joining(", ", "[", isCut ? ", ...]" : "]"));
            case Shown.Changed(Shown before, Shown after) -> text(before) + "->" + text(after);
        };
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value).toLowerCase(Locale.ROOT);
    }
}
