package io.xenemu.core.lab;

import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/// The machine's own Debian sources (`apt-get indextargets`) as a sources list of the lab's. So the lab uses the mirror
/// and the proxy that the operator chose, and adds the backports suite without touching the machine's configuration.
///
/// @param codename the release, `bookworm`
/// @param suites one `URI SUITE` per source
public record DebianSources(String codename, Set<String> suites) {
    /// The release whose own kernel and QEMU are too old for the lab.
    private static final String NEEDS_BACKPORTS = "bookworm";

    private static final Pattern STANZAS = Pattern.compile("\n\\s*\n");

    /// Selects Debian's own sources.
    ///
    /// @param codename VERSION_CODENAME of /etc/os-release
    /// @param indexTargets the output of `apt-get indextargets`
    public static DebianSources parse(String codename, String indexTargets) {
        Set<String> suites = new LinkedHashSet<>();
        for (String stanza : (Iterable<String>) STANZAS.splitAsStream(indexTargets)::iterator) {
            Map<String, String> fields = fields(stanza);
            String release = fields.getOrDefault("Release", "");
            boolean debian = fields.getOrDefault("Origin", "Debian").startsWith("Debian");
            boolean packages =
                    fields.getOrDefault("Created-By", "").equals("Packages")
                            && fields.getOrDefault("Component", "").equals("main");
            String uri = fields.getOrDefault("Repo-URI", "");
            if (!debian || !packages || uri.isEmpty()) {
                continue;
            }
            // A sources list may name the release "stable".
            if (release.equals(codename) || fields.getOrDefault("Codename", "").equals(codename)) {
                suites.add(uri + " " + codename);
                if (codename.equals(NEEDS_BACKPORTS)) {
                    suites.add(uri + " " + codename + "-backports");
                }
            } else if (release.equals(codename + "-updates")
                    || release.equals(codename + "-security")) {
                suites.add(uri + " " + release);
            }
        }
        return new DebianSources(codename, suites);
    }

    /// The suite with a kernel and a QEMU that are new enough.
    public String labSuite() {
        return codename.equals(NEEDS_BACKPORTS) ? codename + "-backports" : codename;
    }

    /// The text of a sources.list.
    ///
    /// @param options `[signed-by=...] ` or nothing
    public String list(String options) {
        List<String> lines =
                suites.stream().map(suite -> "deb " + options + suite + " main\n").toList();
        return String.join("", lines);
    }

    private static Map<String, String> fields(String stanza) {
        Map<String, String> fields = new LinkedHashMap<>();
        for (String line : stanza.lines().toList()) {
            int colon = line.indexOf(": ");
            if (colon > 0) {
                fields.putIfAbsent(line.substring(0, colon), line.substring(colon + 2).strip());
            }
        }
        return fields;
    }
}
