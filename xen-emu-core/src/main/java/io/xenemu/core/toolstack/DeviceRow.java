package io.xenemu.core.toolstack;

import com.google.common.primitives.Ints;
import io.xenemu.kvm.abi.XenError;
import java.util.Locale;
import java.util.Optional;

/// A device as `xl block-list` and `xl network-list` show it, and
/// channels and shares in the same form. A number that a guest has
/// not written is -1.
public final class DeviceRow {
    private final DeviceNodes nodes;
    private final DeviceKind kind;

    DeviceRow(DeviceNodes nodes, DeviceKind kind) {
        this.nodes = nodes;
        this.kind = kind;
    }

    /// The names of the columns.
    String header() {
        return switch (kind) {
            case VBD -> "Vdev  BE  handle state evt-ch ring-ref BE-path";
            case VIF -> "Idx BE Mac Addr.         handle state evt-ch   tx-/rx-ring-ref BE-path";
            case P9 -> "Idx BE Tag              state BE-path                        Path";
            case CONSOLE -> "Idx BE state evt-ch ring-ref connection";
        };
    }

    /// One row.
    String of(PvDevice device) throws XenError {
        return switch (kind) {
            case VBD ->
                    String.format(
                            Locale.ROOT,
                            "%-5d %-3d %-6d %-5d %-6d %-8d %s",
                            device.id(),
                            device.backend().value(),
                            device.frontend().value(),
                            number(device, "state"),
                            number(device, "event-channel"),
                            number(device, "ring-ref"),
                            device.backendPath());
            case VIF ->
                    String.format(
                            Locale.ROOT,
                            "%-3d %-2d %-17s %6d %5d %6d %5d/%-11d %s",
                            device.id(),
                            device.backend().value(),
                            nodes.read(device.recordPath() + "/mac").orElse("?"),
                            device.id(),
                            number(device, "state"),
                            number(device, "event-channel"),
                            number(device, "tx-ring-ref"),
                            number(device, "rx-ring-ref"),
                            device.backendPath());
            case P9 ->
                    String.format(
                            Locale.ROOT,
                            "%-3d %-2d %-16s %5d %-30s %s",
                            device.id(),
                            device.backend().value(),
                            nodes.read(device.recordPath() + "/" + P9Spec.TAG).orElse("?"),
                            number(device, "state"),
                            device.backendPath(),
                            nodes.read(device.recordPath() + "/path").orElse("?"));
            case CONSOLE ->
                    String.format(
                                    Locale.ROOT,
                                    "%-3d %-2d %-5d %-6d %-8d %-10s %s",
                                    // xl counts channels from 0.
                                    device.id() - ConsoleSpec.FIRST,
                                    device.backend().value(),
                                    number(device, "state"),
                                    number(device, "port"),
                                    number(device, "ring-ref"),
                                    nodes.read(device.recordPath() + "/connection").orElse("?"),
                                    place(device))
                            .stripTrailing();
        };
    }

    /// The terminal of a console, or the path of its socket or file. Not from the guest's own nodes.
    private String place(PvDevice device) throws XenError {
        Optional<String> tty = nodes.read(device.recordPath() + "/" + ConsoleSpec.TTY);
        return tty.isPresent() ? tty.get() : nodes.read(device.recordPath() + "/path").orElse("");
    }

    private int number(PvDevice device, String node) throws XenError {
        Integer number =
                nodes.read(device.frontendPath() + "/" + node).map(Ints::tryParse).orElse(null);
        return number == null ? -1 : number;
    }
}
