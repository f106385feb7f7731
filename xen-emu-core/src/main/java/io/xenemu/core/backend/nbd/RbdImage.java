package io.xenemu.core.backend.nbd;

import com.google.common.base.Splitter;
import io.xenemu.core.toolstack.DiskSpec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// An image in a Ceph cluster: `rbd:POOL[/NAMESPACE]/IMAGE[@SNAPSHOT][:id=USER][:conf=FILE]`, as xl and QEMU write it.
/// Other settings than the two belong into Ceph's configuration file.
///
/// @param pool of the cluster
/// @param namespace in the pool; empty for none
/// @param image its name
/// @param snapshot of the image; empty for none
/// @param user of Ceph without `client.`; empty for its default
/// @param conf path of Ceph's configuration; empty for its default
public record RbdImage(
        String pool, String namespace, String image, String snapshot, String user, String conf)
        implements ImageSource {
    private static final Pattern NAME =
            Pattern.compile("([^/@]+)/(?:([^/@]+)/)?([^/@]+)(?:@([^/@]+))?");

    /// Whether a disk's target is such an image.
    static boolean isOne(String target) {
        return target.startsWith(DiskSpec.RBD);
    }

    /// Parses a target.
    ///
    /// @throws NbdException if it is malformed, or has other settings
    static RbdImage parse(String target) throws NbdException {
        List<String> parts = Splitter.on(':').splitToList(target.substring(DiskSpec.RBD.length()));
        Matcher name = NAME.matcher(parts.getFirst());
        if (!name.matches()) {
            throw refused(target, "it is rbd:POOL/IMAGE[@SNAPSHOT][:id=USER][:conf=FILE]");
        }
        Map<String, String> settings = new LinkedHashMap<>();
        for (String part : parts.subList(1, parts.size())) {
            int equals = part.indexOf('=');
            String key = equals < 0 ? part : part.substring(0, equals);
            if (equals < 0 || equals == part.length() - 1 || !isSetting(key)) {
                throw refused(
                        target, "'%s' is not a setting: id=USER or conf=FILE".formatted(part));
            }
            if (settings.put(key, part.substring(equals + 1)) != null) {
                throw refused(target, key + " is given twice");
            }
        }
        return new RbdImage(
                name.group(1),
                orEmpty(name.group(2)),
                name.group(3),
                orEmpty(name.group(4)),
                settings.getOrDefault("id", ""),
                settings.getOrDefault("conf", ""));
    }

    private static boolean isSetting(String key) {
        return key.equals("id") || key.equals("conf");
    }

    private static String orEmpty(@Nullable String text) {
        return text == null ? "" : text;
    }

    private static NbdException refused(String target, String reason) {
        return new NbdException("cannot use " + target + ": " + reason, true);
    }

    /// Only the cluster knows whether it exists.
    @Override
    public void check() {}

    @Override
    public String json() {
        StringBuilder out = new StringBuilder("{\"driver\":\"rbd\"");
        add(out, "pool", pool);
        add(out, "namespace", namespace);
        add(out, "image", image);
        add(out, "snapshot", snapshot);
        add(out, "user", user);
        add(out, "conf", conf);
        return out.append('}').toString();
    }

    private static void add(StringBuilder out, String key, String value) {
        if (!value.isEmpty()) {
            out.append(",\"%s\":%s".formatted(key, Json.quoted(value)));
        }
    }

    @Override
    public String toString() {
        return DiskSpec.RBD
                + pool
                + "/"
                + (namespace.isEmpty() ? "" : namespace + "/")
                + image
                + (snapshot.isEmpty() ? "" : "@" + snapshot);
    }
}
