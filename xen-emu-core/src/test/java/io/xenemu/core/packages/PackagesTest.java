package io.xenemu.core.packages;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The tarball and the package of Debian that the build makes with `-Ppackages`, of a small distribution.
final class PackagesTest {
    private static final Path SOURCE = Path.of("src/main/dist").toAbsolutePath();
    private static final String TIME = "2026-01-01T00:00:00Z";

    @TempDir private Path folder;
    private Path dist;

    @BeforeEach
    void makeDistribution() throws IOException {
        dist = distribution("dist");
    }

    private Path distribution(String name) throws IOException {
        Path made = folder.resolve(name);
        Files.createDirectories(made.resolve("share/man/man1"));
        Files.createDirectories(made.resolve("bin"));
        Files.createDirectories(made.resolve("lib"));
        Files.copy(SOURCE.resolve("bin/xen-emu"), made.resolve("bin/xen-emu"));
        made.resolve("bin/xen-emu").toFile().setExecutable(true);
        Files.copy(SOURCE.resolve("make-caches"), made.resolve("lib/make-caches"));
        Files.writeString(made.resolve("lib/some.jar"), "jar");
        Files.writeString(made.resolve("lib/client.aot"), "a cache");
        Files.writeString(made.resolve("share/man/man1/xen-emu.1"), ".TH XEN\\-EMU 1");
        Path completions =
                Files.createDirectories(made.resolve("share/bash-completion/completions"));
        Files.writeString(completions.resolve("xen-emu"), "complete");
        return made;
    }

    private record Ended(int exit, String output) {}

    private static Ended run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), UTF_8);
        return new Ended(process.waitFor(), output);
    }

    /// The output of a command that succeeds.
    private static String succeed(String... command) throws IOException, InterruptedException {
        Ended ended = run(List.of(command));
        assertEquals(0, ended.exit(), ended.output());
        return ended.output();
    }

    private static boolean isInstalled(String tool) throws IOException, InterruptedException {
        return run(List.of("sh", "-c", "command -v " + tool)).exit() == 0;
    }

    private Path pack(Path distribution, String name) throws IOException, InterruptedException {
        assumeTrue(isInstalled("dpkg-deb"), "needs dpkg-deb");
        Path packages = Files.createDirectory(folder.resolve(name));
        succeed(
                SOURCE.resolve("package").toString(),
                distribution.toString(),
                packages.toString(),
                "1.2-SNAPSHOT",
                TIME);
        return packages;
    }

    @Test
    void sameDistributionGivesTheSameBytes() throws Exception {
        Path first = pack(dist, "first");
        Path copy = distribution("copy");
        Path jar = copy.resolve("lib/some.jar");
        Files.setLastModifiedTime(jar, FileTime.fromMillis(1_000_000_000_000L));
        Files.setPosixFilePermissions(jar, PosixFilePermissions.fromString("rw-------"));
        Path second = pack(copy, "second");

        for (String file : List.of("xen-emu-1.2-SNAPSHOT.tar.gz", "xen-emu-1.2-SNAPSHOT.deb")) {
            assertArrayEquals(
                    Files.readAllBytes(first.resolve(file)),
                    Files.readAllBytes(second.resolve(file)),
                    file);
        }
    }

    @Test
    void packageOfDebianHasUnitUserPageAndLink() throws Exception {
        String deb = pack(dist, "packages").resolve("xen-emu-1.2-SNAPSHOT.deb").toString();

        List<String> entries = succeed("dpkg-deb", "-c", deb).lines().toList();
        for (String entry :
                List.of(
                        "./usr/bin/xen-emu -> ../lib/xen-emu/bin/xen-emu",
                        "./usr/lib/xen-emu/lib/some.jar",
                        "./usr/lib/systemd/system/xen-emu.service",
                        "./usr/lib/sysusers.d/xen-emu.conf",
                        "./usr/share/man/man1/xen-emu.1.gz",
                        "./usr/share/bash-completion/completions/xen-emu",
                        "./etc/default/xen-emu")) {
            assertTrue(
                    entries.stream()
                            .anyMatch(it -> it.contains(" root/root ") && it.endsWith(" " + entry)),
                    () -> entry + " in " + entries);
        }
        assertFalse(
                entries.stream().anyMatch(it -> it.endsWith(".aot")), "caches are of one machine");
        // A version that is not out yet comes before the one that is.
        assertEquals("1.2~SNAPSHOT", succeed("dpkg-deb", "-f", deb, "Version").strip());
    }

    @Test
    void unpackedPackageStartsFromItsLink() throws Exception {
        String deb = pack(dist, "packages").resolve("xen-emu-1.2-SNAPSHOT.deb").toString();
        Path root = folder.resolve("root");
        succeed("dpkg-deb", "-x", deb, root.toString());
        Path lib = root.resolve("usr/lib/xen-emu/lib");
        Files.writeString(lib.resolve("classpath"), "some.jar\n");

        // Without classes it comes as far as its main class, which java looks for.
        Ended ended = run(List.of(root.resolve("usr/bin/xen-emu").toString(), "list"));
        assertTrue(ended.output().contains("io.xenemu.core.cli.XenEmu"), ended.output());
    }

    @Test
    void scriptsOfThePackageAreShell() throws Exception {
        for (String script : List.of("preinst", "postinst", "prerm", "postrm")) {
            assertEquals("", succeed("sh", "-n", SOURCE.resolve("package.d/" + script).toString()));
        }
    }

    @Test
    void systemdAcceptsTheUnit() throws Exception {
        assumeTrue(isInstalled("systemd-analyze"), "needs systemd-analyze");
        String unit = Files.readString(SOURCE.resolve("package.d/xen-emu.service"));
        Path checked = folder.resolve("xen-emu.service");
        // The program is not installed here.
        Files.writeString(
                checked, unit.replace("ExecStart=/usr/bin/xen-emu ", "ExecStart=/bin/true "));

        // It looks at the host's units too, which may have faults of their own.
        assertEquals(
                List.of(),
                succeed("systemd-analyze", "verify", "--man=no", checked.toString())
                        .lines()
                        .filter(line -> line.contains("xen-emu.service"))
                        .toList());
    }

    @Test
    void unitTakesTheOptionsThatItsFileHas() throws Exception {
        List<String> unit = Files.readAllLines(SOURCE.resolve("package.d/xen-emu.service"));
        List<String> options = Files.readAllLines(SOURCE.resolve("package.d/default"));

        assertTrue(unit.contains("EnvironmentFile=-/etc/default/xen-emu"));
        assertTrue(
                unit.stream()
                        .anyMatch(it ->
                                it.startsWith("ExecStart=/usr/bin/xen-emu daemon ")
                                        && it.endsWith(" $XEN_EMU_DAEMON_OPTIONS")));
        assertTrue(options.contains("XEN_EMU_DAEMON_OPTIONS="));
    }

    @Test
    void serviceHasAUserOfItsOwnInTheGroupOfKvm() throws Exception {
        assumeTrue(isInstalled("systemd-sysusers"), "needs systemd-sysusers");
        Path root = folder.resolve("users");
        Files.createDirectories(root.resolve("etc"));
        succeed(
                "systemd-sysusers",
                "--root=" + root,
                SOURCE.resolve("package.d/sysusers.conf").toString());

        assertTrue(
                Files.readString(root.resolve("etc/group"))
                        .lines()
                        .anyMatch(it -> it.startsWith("kvm:") && it.endsWith(":xen-emu")));
        assertTrue(
                Files.readString(root.resolve("etc/passwd"))
                        .lines()
                        .anyMatch(it -> it.startsWith("xen-emu:") && it.endsWith("nologin")));
    }
}
