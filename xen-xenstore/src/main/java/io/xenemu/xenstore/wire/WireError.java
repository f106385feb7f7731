package io.xenemu.xenstore.wire;

import io.xenemu.kvm.abi.XenError;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/// The errors that have a name on the wire (`xsd_errors` in `xen/io/xs_wire.h`), and their payloads.
public final class WireError {
    private static final Map<XenError, byte[]> PAYLOADS =
            payloads(
                    XenError.EINVAL,
                    XenError.EACCES,
                    XenError.EEXIST,
                    XenError.EISDIR,
                    XenError.ENOENT,
                    XenError.ENOMEM,
                    XenError.ENOSPC,
                    XenError.EIO,
                    XenError.ENOTEMPTY,
                    XenError.ENOSYS,
                    XenError.EROFS,
                    XenError.EBUSY,
                    XenError.EAGAIN,
                    XenError.E2BIG,
                    XenError.EPERM);

    private WireError() {}

    private static Map<XenError, byte[]> payloads(XenError... errors) {
        Map<XenError, byte[]> payloads = new HashMap<>();
        for (XenError error : errors) {
            payloads.put(error, (error.symbol() + "\0").getBytes(StandardCharsets.US_ASCII));
        }
        return Map.copyOf(payloads);
    }

    /// The payload of an ERROR reply. Must not be modified.
    ///
    /// @throws IllegalStateException for an error that clients would not understand, which is our bug
    public static byte[] payload(XenError error) {
        byte[] payload = PAYLOADS.get(error);
        if (payload == null) {
            throw new IllegalStateException("no XenStore error: " + error.symbol());
        }
        return payload;
    }
}
