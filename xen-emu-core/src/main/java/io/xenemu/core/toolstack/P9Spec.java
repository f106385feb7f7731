package io.xenemu.core.toolstack;

import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SequencedMap;

/// A folder of the host that a guest mounts (`9pfs`).
///
/// @param id its number, if it has one
/// @param tag the name by which the guest mounts it
/// @param path the folder
/// @param readOnly whether the guest may change nothing
/// @param security how owners and permissions are kept
/// @param maxOpenFiles the most descriptors, if the operator has set it
/// @param quota the limits of the folder
/// @param backend name or id of the back end's domain
public record P9Spec(
        OptionalInt id,
        String tag,
        String path,
        boolean readOnly,
        P9SecurityModel security,
        OptionalInt maxOpenFiles,
        P9Quota quota,
        String backend)
        implements DeviceSpec {
    /// The node of the tag in the record, which the guest cannot change.
    static final String TAG = "tag";

    /// Parses a specification in xl's words (`p9=` in xl.cfg(5)); each word may be a part of it.
    ///
    /// @throws Refused if it is malformed, or the share is not supported
    public static P9Spec parse(List<String> words) throws Refused {
        P9SpecParser parser = new P9SpecParser();
        for (String part : DeviceSpec.parts(words)) {
            parser.part(part);
        }
        return parser.result();
    }

    @Override
    public DeviceKind kind() {
        return DeviceKind.P9;
    }

    @Override
    public P9Spec numbered(int number) {
        return new P9Spec(
                OptionalInt.of(number),
                tag,
                path,
                readOnly,
                security,
                maxOpenFiles,
                quota,
                backend);
    }

    /// As libxl writes them (`tools/libs/light/libxl_9pfs.c`), and the tag for the record.
    @Override
    public DeviceContents contents(PvDevice device) {
        SequencedMap<String, String> back = DeviceContents.back(device);
        back.put("path", path);
        back.put("security_model", security.word());
        back.put(TAG, tag);
        maxOpenFiles.ifPresent(max -> back.put("max-open-files", Integer.toString(max)));
        if (quota.isLimited()) {
            back.put("max-space", Integer.toString(quota.mebibytes()));
            back.put("max-files", Integer.toString(quota.files()));
            back.put("auto-delete", DeviceContents.flag(quota.deletesOldest()));
        }
        SequencedMap<String, String> front = DeviceContents.front(device);
        front.put("tag", tag);
        return new DeviceContents(back, front, Map.of());
    }
}
