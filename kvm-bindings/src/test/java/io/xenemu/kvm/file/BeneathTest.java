package io.xenemu.kvm.file;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The system calls below a descriptor, on real files. [FileStructsTest] has the structures.
final class BeneathTest {
    private final Arena arena = Arena.ofShared();
    private final Beneath files = new Beneath(arena);
    @TempDir private Path folder;
    private Path share;
    private int root;

    @BeforeEach
    void open() throws IOException {
        share = Files.createDirectory(folder.resolve("share"));
        Files.writeString(folder.resolve("outside"), "outside");
        Files.writeString(share.resolve("f"), "text");
        root = Beneath.openFolder(share);
    }

    @AfterEach
    void close() {
        Beneath.close(root);
        arena.close();
    }

    private MemorySegment name(String name) {
        return arena.allocateFrom(name);
    }

    private int open(String name, int flags) {
        return files.open(root, name(name), flags, 0);
    }

    @Test
    void noPathLeadsOutOfTheFolder() throws IOException {
        Files.createSymbolicLink(share.resolve("up"), Path.of(".."));
        Files.createSymbolicLink(share.resolve("file"), folder.resolve("outside"));
        Files.createSymbolicLink(share.resolve("proc"), Path.of("/proc/self/cwd"));

        assertEquals(-Errno.EXDEV, open("..", OpenFlags.O_PATH));
        assertEquals(-Errno.EXDEV, open("../outside", OpenFlags.O_RDONLY));
        assertEquals(-Errno.EXDEV, open("/etc/passwd", OpenFlags.O_RDONLY));
        assertEquals(-Errno.ELOOP, open("up/outside", OpenFlags.O_RDONLY));
        assertEquals(-Errno.ELOOP, open("file", OpenFlags.O_RDONLY));
        assertEquals(-Errno.ELOOP, open("proc/x", OpenFlags.O_RDONLY));
        int link = open("up", OpenFlags.O_PATH);
        assertTrue(link >= 0, "the link itself is a place");
        MemorySegment target = arena.allocate(10);
        assertEquals(2, files.readSymlink(link, target));
        Beneath.close(link);
    }

    @Test
    void aFolderThatIsNotThereIsAFailureWithItsName() {
        KvmException e =
                assertThrows(
                        KvmException.class, () -> Beneath.openFolder(share.resolve("missing")));
        assertEquals(Errno.ENOENT, e.errno());
        assertTrue(String.valueOf(e.getMessage()).contains("missing"));
        assertThrows(KvmException.class, () -> Beneath.openFolder(share.resolve("f")));
    }

    @Test
    void aPlaceIsOpenedAgainWhateverItsNameIsNow() throws IOException {
        int place = open("f", OpenFlags.O_PATH);
        Files.move(share.resolve("f"), share.resolve("g"));
        Files.writeString(share.resolve("f"), "another");
        int file = files.reopen(place, OpenFlags.O_RDONLY);
        MemorySegment buffer = arena.allocate(10);
        assertEquals(4, Beneath.read(file, buffer, 10, 0));
        assertEquals(2, Beneath.read(file, buffer, 10, 2));
        MemorySegment path = arena.allocate(4096);
        int length = files.path(place, path);
        assertTrue(path.getString(0).startsWith(share.toRealPath().resolve("g").toString()));
        assertEquals(share.toRealPath().resolve("g").toString().length(), length);
        Beneath.close(file);
        Beneath.close(place);
    }

    @Test
    void locksBelongToTheOpenFile() {
        int one = open("f", OpenFlags.O_RDWR);
        int other = open("f", OpenFlags.O_RDWR);
        RecordLock lock = new RecordLock(arena);
        lock.set(RecordLock.F_WRLCK, 1, 2);
        assertEquals(0, Beneath.lock(one, lock));
        lock.set(RecordLock.F_WRLCK, 0, 0);
        assertEquals(-Errno.EAGAIN, Beneath.lock(other, lock));
        assertEquals(0, Beneath.findLock(other, lock));
        assertEquals(1, lock.start());
        assertEquals(2, lock.length());
        assertEquals(RecordLock.F_WRLCK, lock.type());
        Beneath.close(one);
        lock.set(RecordLock.F_WRLCK, 0, 0);
        assertEquals(0, Beneath.lock(other, lock));
        Beneath.close(other);
    }

    @Test
    void largeOffsetsAreNoErrors() {
        int file = open("f", OpenFlags.O_RDWR);
        // The low half of the result is that of -1.
        assertEquals(0xffff_ffffL, Beneath.seek(file, 0xffff_ffffL));
        assertEquals(-Errno.EINVAL, Beneath.seek(file, -1));
        assertEquals(-Errno.EINVAL, Beneath.read(file, arena.allocate(1), 1, -1));
        Beneath.close(file);
    }
}
