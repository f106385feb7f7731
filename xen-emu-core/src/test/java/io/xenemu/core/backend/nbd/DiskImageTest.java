package io.xenemu.core.backend.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.nbd.ServerProgram.QemuNbdProgram;
import io.xenemu.core.backend.nbd.ServerProgram.StorageDaemon;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What QEMU's programs are told of an image. Ceph cannot be run here: its images are tested by their text alone.
class DiskImageTest {
    private static final Path SOCKET = Path.of("/run/s");
    private static final Path LIFELINE = Path.of("/run/l");

    @TempDir Path folder;

    private static DiskImage rbd(String target) throws NbdException {
        return new DiskImage(ImageSource.of(target), ImageFormat.RAW, null, true, true, false);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "rbd:pool/a;'\"pool\":\"pool\",\"image\":\"a\"'",
                "rbd:pool/n/a@s;'\"pool\":\"pool\",\"namespace\":\"n\",\"image\":\"a\",\"snapshot\":\"s\"'",
                "rbd:p/a:id=admin:conf=/etc/c.conf;'\"pool\":\"p\",\"image\":\"a\",\"user\":\"admin\",\"conf\":\"/etc/c.conf\"'",
                "'rbd:p/a\"b';'\"pool\":\"p\",\"image\":\"a\\\\\"b\"'"
            })
    void imageOfACephClusterIsNamedByItsParts(String target, String settings) throws Exception {
        List<String> command =
                new QemuNbdProgram(Path.of("/bin/q")).command(rbd(target), SOCKET, LIFELINE, 4);
        assertEquals(
                List.of(
                        "/bin/q",
                        "--shared=4",
                        "--discard=unmap",
                        "--detect-zeroes=off",
                        "--cache=writeback",
                        "--socket=/run/s",
                        "--",
                        "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"rbd\",%s}}"
                                .formatted(settings.replace("\\\\", "\\"))),
                command);
    }

    @ParameterizedTest
    @CsvSource({
        "rbd:a",
        "rbd:",
        "rbd:/a",
        "rbd:p/",
        "rbd:p/n/m/a",
        "rbd:p/a@",
        "rbd:p/a:id=",
        "rbd:p/a:x=1",
        "rbd:p/a:id",
        "rbd:p/a:id=a:id=b"
    })
    void otherTextsAreNoImagesOfACluster(String target) {
        var e = assertThrows(NbdException.class, () -> ImageSource.of(target));
        assertTrue(e.getMessage().startsWith("cannot use " + target + ": "), e.getMessage());
    }

    /// The secret itself is in no command line.
    @Test
    void keyIsGivenByItsPath() throws Exception {
        Path key = Files.writeString(folder.resolve("k,e\"y"), "secret");
        Path file = Files.writeString(folder.resolve("a"), "x");
        DiskImage image =
                new DiskImage(
                        ImageSource.of(file.toString()), ImageFormat.LUKS, key, false, true, true);
        List<String> words = new QemuNbdProgram(Path.of("q")).command(image, SOCKET, LIFELINE, 1);
        int object = words.indexOf("--object");
        String quoted = key.toString().replace("\"", "\\\"");
        assertEquals(
                "{\"qom-type\":\"secret\",\"id\":\"key\",\"file\":\"" + quoted + "\"}",
                words.get(object + 1));
        assertEquals(
                "json:{\"driver\":\"luks\",\"key-secret\":\"key\",\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}}"
                        .formatted(file),
                words.getLast());
        assertTrue(words.contains("--read-only") && words.contains("--cache=none"));
    }

    @Test
    void storageDaemonIsToldTheSame() throws Exception {
        List<String> words =
                new StorageDaemon(Path.of("/bin/d"), Path.of("/bin/setpriv"))
                        .command(rbd("rbd:p/a"), SOCKET, LIFELINE, 4);
        List<String> first = Lifeline.command(LIFELINE, Path.of("/bin/setpriv"));
        assertEquals(first, words.subList(0, first.size()));
        assertEquals(
                List.of(
                        "/bin/d",
                        "--blockdev",
                        "{\"driver\":\"raw\",\"node-name\":\"disk\",\"read-only\":false,"
                                + "\"discard\":\"unmap\",\"cache\":{\"direct\":false},"
                                + "\"file\":{\"driver\":\"rbd\",\"pool\":\"p\",\"image\":\"a\"}}",
                        "--nbd-server",
                        "{\"addr\":{\"type\":\"unix\",\"path\":\"/run/s\"},\"max-connections\":4}",
                        "--export",
                        "{\"type\":\"nbd\",\"id\":\"disk\",\"node-name\":\"disk\",\"name\":\"\","
                                + "\"writable\":true}"),
                words.subList(first.size(), words.size()));
    }

    @Test
    void programIsQemuNbdOrElseTheStorageDaemon() throws Exception {
        DiskImage image = rbd("rbd:p/a");
        String folders = folder.toString();
        assertThrows(NbdException.class, () -> ServerProgram.find(image, folders));
        program("qemu-storage-daemon");
        assertThrows(NbdException.class, () -> ServerProgram.find(image, folders), "no setpriv");
        program("setpriv");
        assertInstanceOf(StorageDaemon.class, ServerProgram.find(image, folders));
        program("qemu-nbd");
        assertInstanceOf(QemuNbdProgram.class, ServerProgram.find(image, folders));
    }

    private void program(String name) throws Exception {
        Path file = Files.writeString(folder.resolve(name), "");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
    }

    @Test
    void keyIsRefusedWhereItIsMissingOrOfNoUse() throws Exception {
        Path file = Files.writeString(folder.resolve("a"), "x");
        refused(file, ImageFormat.LUKS, null, file + ": an image of this format needs key-file=");
        refused(file, ImageFormat.VHD, file, file + ": format vhd has no key-file");
        Path none = folder.resolve("none");
        refused(file, ImageFormat.QCOW2, none, "the key file " + none + " cannot be read");
    }

    private static void refused(Path file, ImageFormat format, @Nullable Path key, String reason)
            throws NbdException {
        DiskImage image =
                new DiskImage(ImageSource.of(file.toString()), format, key, true, true, false);
        var e = assertThrows(NbdException.class, image::check);
        assertEquals(reason, e.getMessage());
    }
}
