package io.xenemu.xenstore.wire;

import io.xenemu.kvm.abi.DomId;
import io.xenemu.kvm.abi.XenError;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Decodes payloads by the syntax in `docs/misc/xenstore.txt`. Every violation is EINVAL. Reads only the given range,
/// which must be private memory: a guest's ring has to be copied first.
public final class RequestDecoder {
    private RequestDecoder() {}

    /// Decodes the payload `[from, to)` of a message.
    ///
    /// @param home the caller's directory, at which relative paths start
    /// @throws XenError EINVAL for a malformed payload; ENOSYS for a type that is not a request
    public static Request decode(MessageType type, byte[] data, int from, int to, Path home)
            throws XenError {
        return switch (type) {
            case READ -> new Request.Read(onlyPath(data, from, to, home));
            case DIRECTORY -> new Request.Directory(onlyPath(data, from, to, home));
            case MKDIR -> new Request.Mkdir(onlyPath(data, from, to, home));
            case RM -> new Request.Rm(onlyPath(data, from, to, home));
            case WRITE -> write(data, from, to, home);
            case GET_PERMS ->
                    new Request.GetPerms(
                            Path.parseWatchable(data, from, onlyString(data, from, to), home));
            case SET_PERMS -> setPerms(data, from, to, home);
            case DIRECTORY_PART -> directoryPart(data, from, to, home);
            case WATCH -> watch(data, from, to, home);
            case UNWATCH -> unwatch(data, from, to, home);
            case RESET_WATCHES -> new Request.ResetWatches();
            case TRANSACTION_START -> new Request.TransactionStart();
            case TRANSACTION_END -> new Request.TransactionEnd(flag(data, from, to));
            case INTRODUCE -> introduce(data, from, to);
            case RELEASE -> new Request.Release(domain(data, from, onlyString(data, from, to)));
            case GET_DOMAIN_PATH ->
                    new Request.GetDomainPath(domain(data, from, onlyString(data, from, to)));
            case IS_DOMAIN_INTRODUCED ->
                    new Request.IsDomainIntroduced(domain(data, from, onlyString(data, from, to)));
            case RESUME -> new Request.Resume(domain(data, from, onlyString(data, from, to)));
            case SET_TARGET -> setTarget(data, from, to);
            case CONTROL -> new Request.Control(words(data, from, to));
            case GET_FEATURE -> getFeature(data, from, to);
            case SET_FEATURE -> setFeature(data, from, to);
            case GET_QUOTA -> getQuota(data, from, to);
            case SET_QUOTA -> setQuota(data, from, to);
            case WATCH_EVENT, ERROR -> throw XenError.ENOSYS;
        };
    }

    /// The position of the NUL that ends the string at `from`.
    private static int string(byte[] data, int from, int to) throws XenError {
        for (int i = from; i < to; i++) {
            if (data[i] == 0) {
                return i;
            }
        }
        throw XenError.EINVAL;
    }

    /// The position of the NUL that ends the string at `from`; nothing may follow.
    private static int onlyString(byte[] data, int from, int to) throws XenError {
        int end = string(data, from, to);
        if (end + 1 != to) {
            throw XenError.EINVAL;
        }
        return end;
    }

    private static Path onlyPath(byte[] data, int from, int to, Path home) throws XenError {
        return Path.parse(data, from, onlyString(data, from, to), home);
    }

    private static Request write(byte[] data, int from, int to, Path home) throws XenError {
        int end = string(data, from, to);
        return new Request.Write(
                Path.parse(data, from, end, home), Arrays.copyOfRange(data, end + 1, to));
    }

    private static Request setPerms(byte[] data, int from, int to, Path home) throws XenError {
        int end = string(data, from, to);
        Path path = Path.parseWatchable(data, from, end, home);
        return new Request.SetPerms(path, Permissions.parse(data, end + 1, to));
    }

    private static Request directoryPart(byte[] data, int from, int to, Path home) throws XenError {
        int end = string(data, from, to);
        long offset = decimal(data, end + 1, onlyString(data, end + 1, to), Integer.MAX_VALUE);
        return new Request.DirectoryPart(
                Path.parse(data, from, end, home), Math.toIntExact(offset));
    }

    private static Request watch(byte[] data, int from, int to, Path home) throws XenError {
        int end = string(data, from, to);
        int tokenEnd = string(data, end + 1, to);
        Path path = Path.parseWatchable(data, from, end, home);
        boolean relative = data[from] != '/' && data[from] != '@';
        return new Request.Watch(
                path,
                relative,
                Arrays.copyOfRange(data, end + 1, tokenEnd),
                depth(data, tokenEnd + 1, to));
    }

    /// A depth may follow the token. Bytes without a NUL, or an empty string, are reserved and ignored.
    private static int depth(byte[] data, int from, int to) throws XenError {
        if (to - from <= 1 || data[to - 1] != 0) {
            return Request.Watch.ANY_DEPTH;
        }
        return Math.toIntExact(decimal(data, from, onlyString(data, from, to), Integer.MAX_VALUE));
    }

    private static Request unwatch(byte[] data, int from, int to, Path home) throws XenError {
        int end = string(data, from, to);
        int tokenEnd = string(data, end + 1, to);
        Path path = Path.parseWatchable(data, from, end, home);
        return new Request.Unwatch(path, Arrays.copyOfRange(data, end + 1, tokenEnd));
    }

    private static boolean flag(byte[] data, int from, int to) throws XenError {
        if (onlyString(data, from, to) != from + 1) {
            throw XenError.EINVAL;
        }
        return switch (data[from]) {
            case 'T' -> true;
            case 'F' -> false;
            default -> throw XenError.EINVAL;
        };
    }

    private static Request introduce(byte[] data, int from, int to) throws XenError {
        int end = string(data, from, to);
        int gfnEnd = string(data, end + 1, to);
        int portEnd = string(data, gfnEnd + 1, to);
        // The document defines the frame as a signed number; no real frame is negative.
        long gfn = decimal(data, end + 1, gfnEnd, Long.MAX_VALUE >> 12);
        long port = decimal(data, gfnEnd + 1, portEnd, Integer.MAX_VALUE);
        return new Request.Introduce(domain(data, from, end), gfn, Math.toIntExact(port));
    }

    private static Request setTarget(byte[] data, int from, int to) throws XenError {
        int end = string(data, from, to);
        return new Request.SetTarget(
                domain(data, from, end), domain(data, end + 1, onlyString(data, end + 1, to)));
    }

    private static Request getFeature(byte[] data, int from, int to) throws XenError {
        return new Request.GetFeature(
                from == to ? null : domain(data, from, onlyString(data, from, to)));
    }

    private static Request setFeature(byte[] data, int from, int to) throws XenError {
        int end = string(data, from, to);
        long features = decimal(data, end + 1, onlyString(data, end + 1, to), Integer.MAX_VALUE);
        return new Request.SetFeature(domain(data, from, end), Math.toIntExact(features));
    }

    private static Request getQuota(byte[] data, int from, int to) throws XenError {
        if (from == to) {
            return new Request.GetQuota(null, null);
        }
        int end = string(data, from, to);
        if (end + 1 == to) {
            return new Request.GetQuota(null, text(data, from, end));
        }
        int nameEnd = onlyString(data, end + 1, to);
        return new Request.GetQuota(domain(data, from, end), text(data, end + 1, nameEnd));
    }

    private static Request setQuota(byte[] data, int from, int to) throws XenError {
        int first = string(data, from, to);
        int second = string(data, first + 1, to);
        if (second + 1 == to) {
            return new Request.SetQuota(
                    null, text(data, from, first), quotaValue(data, first + 1, second));
        }
        int third = onlyString(data, second + 1, to);
        return new Request.SetQuota(
                domain(data, from, first),
                text(data, first + 1, second),
                quotaValue(data, second + 1, third));
    }

    private static int quotaValue(byte[] data, int from, int to) throws XenError {
        return Math.toIntExact(decimal(data, from, to, Integer.MAX_VALUE));
    }

    private static String text(byte[] data, int from, int to) {
        return new String(data, from, to - from, StandardCharsets.ISO_8859_1);
    }

    private static List<String> words(byte[] data, int from, int to) {
        List<String> words = new ArrayList<>();
        int start = from;
        for (int i = from; i < to; i++) {
            if (data[i] == 0) {
                words.add(text(data, start, i));
                start = i + 1;
            }
        }
        return words;
    }

    /// Xen 4.17 accepts any text here (`abc` is 0); 4.23 and this decoder do not.
    private static DomId domain(byte[] data, int from, int to) throws XenError {
        return new DomId(Math.toIntExact(decimal(data, from, to, 0xffff)));
    }

    private static long decimal(byte[] data, int from, int to, long max) throws XenError {
        if (from == to) {
            throw XenError.EINVAL;
        }
        long value = 0;
        for (int i = from; i < to; i++) {
            int digit = data[i] - '0';
            if (digit < 0 || digit > 9 || value > (max - digit) / 10) {
                throw XenError.EINVAL;
            }
            value = value * 10 + digit;
        }
        return value;
    }
}
