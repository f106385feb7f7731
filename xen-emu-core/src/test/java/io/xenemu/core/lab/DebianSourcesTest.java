package io.xenemu.core.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

final class DebianSourcesTest {
    @Test
    void bookwormGetsItsBackportsFromTheSameMirror() {
        DebianSources sources =
                DebianSources.parse("bookworm", target("mirror.test/debian/", "bookworm", ""));

        assertEquals(
                """
                deb [x] http://mirror.test/debian/ bookworm main
                deb [x] http://mirror.test/debian/ bookworm-backports main
                """,
                sources.list("[x] "));
        assertEquals("bookworm-backports", sources.labSuite());
    }

    @Test
    void trixieNeedsNoBackports() {
        DebianSources sources =
                DebianSources.parse("trixie", target("mirror.test/debian/", "trixie", ""));

        assertEquals("deb http://mirror.test/debian/ trixie main\n", sources.list(""));
        assertEquals("trixie", sources.labSuite());
    }

    @Test
    void updatesAndSecurityAreKept() {
        DebianSources sources =
                DebianSources.parse(
                        "trixie",
                        target("m.test/debian/", "trixie-updates", "")
                                + target("m.test/security/", "trixie-security", ""));

        assertEquals(
                """
                deb http://m.test/debian/ trixie-updates main
                deb http://m.test/security/ trixie-security main
                """,
                sources.list(""));
    }

    @Test
    void aReleaseNamedStableIsKnownByItsCodename() {
        DebianSources sources =
                DebianSources.parse(
                        "trixie", target("m.test/debian/", "stable", "Codename: trixie\n"));

        assertEquals("deb http://m.test/debian/ trixie main\n", sources.list(""));
    }

    @Test
    void sourcesOfOthersAreLeftOut() {
        String others =
                target("cloud.test/apt/", "cloud-sdk-bookworm", "")
                        + target("vendor.test/", "bookworm", "Origin: Vendor\n")
                        + target("m.test/debian/", "bookworm", "").replace("main", "contrib")
                        + target("m.test/debian/", "bookworm", "")
                                .replace("Created-By: Packages", "Created-By: Translations");

        assertTrue(DebianSources.parse("bookworm", others).suites().isEmpty());
    }

    private static String target(String mirror, String release, String more) {
        return """
        MetaKey: main/binary-amd64/Packages
        Description: http://%s %s/main amd64 Packages
        Component: main
        Created-By: Packages
        Release: %s
        Repo-URI: http://%s
        Target-Of: deb
        %s
        """
                .formatted(mirror, release, release, mirror, more);
    }
}
