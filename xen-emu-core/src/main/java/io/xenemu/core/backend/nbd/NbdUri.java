package io.xenemu.core.backend.nbd;

import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// The address of an export: `nbd://host[:port]/export` or `nbd+unix:///export?socket=path` (`uri.md` of the NBD
/// project). TLS, `nbds`, is not supported.
///
/// @param host name or address of the server; empty with a socket
/// @param port its TCP port
/// @param socket path of a Unix socket; null for TCP
/// @param export name of the export; empty for the server's default
public record NbdUri(String host, int port, @Nullable Path socket, String export) {
    private static final String TCP = "nbd";
    private static final String UNIX = "nbd+unix";

    /// The port that IANA has reserved.
    private static final int PORT = 10809;

    /// The protocol's limit of a string, in bytes.
    private static final int LONGEST_NAME = 4096;

    private static final String SOCKET = "socket=";

    /// Whether a disk's target is such an address, supported or not.
    public static boolean isOne(String target) {
        return target.matches("nbds?(\\+(tcp|unix|vsock))?://.*");
    }

    /// Parses an address.
    ///
    /// @throws NbdException if it is malformed or not supported
    public static NbdUri parse(String text) throws NbdException {
        URI uri;
        try {
            uri = new URI(text);
        } catch (URISyntaxException e) {
            throw refused(text, e.getReason());
        }
        if (uri.getRawFragment() != null || uri.getRawUserInfo() != null) {
            throw refused(text, "a user or a fragment is not supported");
        }
        String path = uri.getPath() == null ? "" : uri.getPath();
        String export = path.startsWith("/") ? path.substring(1) : path;
        if (export.length() > LONGEST_NAME) {
            throw refused(text, "the export's name is longer than " + LONGEST_NAME);
        }
        return switch (String.valueOf(uri.getScheme())) {
            case TCP, "nbd+tcp" -> tcp(text, uri, export);
            case UNIX -> unix(text, uri, export);
            default -> throw refused(text, "only nbd:// and nbd+unix:// are supported");
        };
    }

    private static NbdUri tcp(String text, URI uri, String export) throws NbdException {
        String host = uri.getHost();
        if (host == null || uri.getRawQuery() != null) {
            throw refused(text, "it is nbd://HOST[:PORT]/EXPORT");
        }
        String bare = host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
        int port = uri.getPort() < 0 ? PORT : uri.getPort();
        if (port == 0 || port > 0xffff) {
            throw refused(text, "there is no such port");
        }
        return new NbdUri(bare, port, null, export);
    }

    private static NbdUri unix(String text, URI uri, String export) throws NbdException {
        String query = uri.getQuery();
        if (uri.getRawAuthority() != null
                || query == null
                || !query.startsWith(SOCKET)
                || query.length() == SOCKET.length()
                || uri.getRawQuery().contains("&")) {
            throw refused(text, "it is nbd+unix:///EXPORT?socket=PATH");
        }
        try {
            return new NbdUri("", 0, Path.of(query.substring(SOCKET.length())), export);
        } catch (InvalidPathException e) {
            throw refused(text, e.getReason());
        }
    }

    private static NbdException refused(String text, String reason) {
        return new NbdException("cannot use " + text + ": " + reason, true);
    }

    @Override
    public String toString() {
        return socket == null
                ? "nbd://"
                        + (host.contains(":") ? "[" + host + "]" : host)
                        + ":"
                        + port
                        + "/"
                        + export
                : "nbd+unix:///" + export + "?socket=" + socket;
    }
}
