package io.xenemu.core.toolstack;

import io.xenemu.kvm.abi.DomId;
import java.util.Comparator;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A device and its two ends.
///
/// @param frontend the domain that uses it
/// @param backend the domain that serves it
/// @param id its number among the front end's devices of its kind
public record PvDevice(DeviceKind kind, DomId frontend, DomId backend, int id) {
    /// The order of a domain's devices.
    public static final Comparator<PvDevice> BY_KIND =
            Comparator.comparing(PvDevice::kind).thenComparingInt(PvDevice::id);

    private static final Pattern BACKEND_PATH =
            Pattern.compile("/local/domain/([0-9]{1,5})/backend/.*");

    /// The directory of all devices that a domain uses; it exists from the domain's start.
    static String devicesPath(DomId domain) {
        return "/local/domain/" + domain.value() + "/device";
    }

    /// The front end's directory.
    public String frontendPath() {
        return devicesPath(frontend) + "/" + kind.directory() + "/" + id;
    }

    /// The back end's directory.
    public String backendPath() {
        return "/local/domain/"
                + backend.value()
                + "/backend/"
                + kind.directory()
                + "/"
                + frontend.value()
                + "/"
                + id;
    }

    /// The node where a back end says why it cannot serve the device, as Linux's back ends do (`xenbus_dev_error`).
    public String errorPath() {
        return "/local/domain/"
                + backend.value()
                + "/error/backend/"
                + kind.directory()
                + "/"
                + frontend.value()
                + "/"
                + id
                + "/error";
    }

    /// The record, which only the toolstack can change.
    String recordPath() {
        return recordsPath(kind, frontend) + "/" + id;
    }

    /// The records of one domain.
    static String recordsPath(DeviceKind kind, DomId frontend) {
        return "/libxl/" + frontend.value() + "/device/" + kind.directory();
    }

    /// The device of a record, which contains the path of the back end's directory.
    static Optional<PvDevice> recorded(
            DeviceKind kind, DomId frontend, int id, String backendPath) {
        Matcher matcher = BACKEND_PATH.matcher(backendPath);
        if (!matcher.matches()) {
            return Optional.empty();
        }
        int backend = Integer.parseInt(matcher.group(1));
        if (backend >= DomId.FIRST_RESERVED) {
            return Optional.empty();
        }
        PvDevice device = new PvDevice(kind, frontend, new DomId(backend), id);
        return device.backendPath().equals(backendPath) ? Optional.of(device) : Optional.empty();
    }

    /// Whether the service serves it, which is domain 0.
    public boolean isByService() {
        return backend.equals(DomId.DOM0);
    }

    /// Its kind and number: `vbd 51712`.
    public String name() {
        return kind.directory() + " " + id;
    }

    /// The text for an operator: `dom3: vbd 51712 from dom5`.
    @Override
    public String toString() {
        return frontend + ": " + name() + " from " + backend;
    }
}
