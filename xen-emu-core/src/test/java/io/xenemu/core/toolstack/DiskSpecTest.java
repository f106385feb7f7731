package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class DiskSpecTest {
    private static final DiskSpec DISK =
            new DiskSpec(
                    "/dev/vg/disk",
                    "raw",
                    "xvdb",
                    51728,
                    true,
                    "db",
                    "block",
                    true,
                    false,
                    true,
                    false,
                    DiskServing.DEFAULT);

    private static DiskSpec parse(String... words) throws Refused {
        return DiskSpec.parse(List.of(words));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/dev/vg/disk,raw,xvdb,rw,backend=db",
                "/dev/vg/disk,,xvdb,w,backend=db",
                "/dev/vg/disk, raw, xvdb, backend=db",
                "backend=db,/dev/vg/disk,raw,xvdb,",
                "format=raw,vdev=xvdb,access=rw,backend=db,target=/dev/vg/disk",
                "vdev=xvdb,backend=db,devtype=disk,backendtype=phy,specification=xen,target=/dev/vg/disk",
                "phy:/dev/vg/disk,xvdb,w,backend=db",
                "file:/dev/vg/disk,xvdb,backend=db",
                "aio:/dev/vg/disk,xvdb,w,backend=db",
                "tap:aio:/dev/vg/disk,xvdb,w,backend=db",
                "tap2:tapdisk:aio:/dev/vg/disk,xvdb,w,backend=db",
                "ioemu:/dev/vg/disk,xvdb:disk,w,backend=db",
                "raw:/dev/vg/disk,xvdb,w,backend=db",
                "/dev/vg/disk,raw,xvdb:disk,w,backend=db",
                "access=r,/dev/vg/disk,raw,xvdb,w,backend=db",
                "devtype=cdrom,devtype=disk,/dev/vg/disk,raw,xvdb,w,backend=db",
                "vdev=xvdb,discard,trusted,no-colo,script=block,backend=db,/dev/vg/disk"
            })
    void sameDiskIsWrittenInManyWays(String spec) throws Refused {
        assertEquals(DISK, parse(spec));
    }

    /// A daemon has another working directory.
    @Test
    void relativePathOfAFileBecomesAbsolute() {
        String path = Path.of("a.img").toAbsolutePath().toString();
        assertEquals(
                List.of("vdev=xvda", "target=" + path),
                DiskSpec.absolute(List.of("vdev=xvda", "target=a.img")));
        assertEquals(
                List.of(path + ",raw", "xvda"), DiskSpec.absolute(List.of("a.img,raw", "xvda")));
        for (String unchanged :
                List.of(
                        "a.img,raw,xvda,backend=store",
                        "/dev/vg/a,raw,xvda",
                        "drbd:a,xvda",
                        "vdev=xvda,target=nbd://host/a",
                        "rbd:pool/a,raw,xvda",
                        "a.img")) {
            assertEquals(List.of(unchanged), DiskSpec.absolute(List.of(unchanged)));
        }
    }

    @Test
    void wordsOfOneSpecificationAreJoined() throws Refused {
        assertEquals(DISK, parse("target=/dev/vg/disk", "vdev=xvdb,", "backend=db"));
    }

    @Test
    void targetTakesTheRest() throws Refused {
        assertEquals("a,b=c,ro", parse("vdev=xvdb,backend=db,target=a,b=c,ro").target());
    }

    @Test
    void readOnlyDiskIsNotDiscarded() throws Refused {
        DiskSpec disk = parse("/dev/vg/disk,raw,xvdb,ro,backend=db");

        assertFalse(disk.writable());
        assertFalse(disk.discard());
        assertTrue(parse("/dev/vg/disk,raw,xvdb,ro,discard,backend=db").discard());
    }

    @Test
    void everyFlagIsTaken() throws Refused {
        DiskSpec disk =
                parse("/d,raw,sda1,no-discard,direct-io-safe,untrusted,script=block-x,backend=3");

        assertFalse(disk.discard());
        assertTrue(disk.directIoSafe());
        assertFalse(disk.trusted());
        assertEquals("block-x", disk.script());
        assertEquals("3", disk.backend());
        assertEquals(2049, disk.number());
    }

    @ParameterizedTest
    @CsvSource({
        "'drbd:r0,xvda,w,backend=db',r0,block-drbd",
        "'iscsi:iqn.2001-05.com.example:disk,xvda,backend=db',iqn.2001-05.com.example:disk,block-iscsi",
        "'nbd:host:10809,xvda,backend=db',host:10809,block-nbd",
        "'enbd:8000,xvda,backend=db',8000,block-enbd",
        "'iqn.2001-05.com:disk,raw,xvda,script=block-iscsi,backend=db',iqn.2001-05.com:disk,block-iscsi",
        "'host:disk,raw,xvda,backend=db',host:disk,block"
    })
    void prefixMayBeAScript(String spec, String target, String script) throws Refused {
        assertEquals(target, parse(spec).target());
        assertEquals(script, parse(spec).script());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/root/image.iso,,hdc,cdrom,backend=db",
                "raw:/root/image.iso,hdc:cdrom,ro,backend=db",
                "/root/image.iso,raw,hdc:cdrom,backend=db",
                "/root/image.iso,raw,hdc,devtype=cdrom,access=rw,backend=db",
                "vdev=hdc,cdrom,backend=db,target=/root/image.iso"
            })
    void cdromIsReadOnly(String spec) throws Refused {
        assertEquals(
                new DiskSpec(
                        "/root/image.iso",
                        "raw",
                        "hdc",
                        5632,
                        false,
                        "db",
                        "block",
                        false,
                        false,
                        true,
                        true,
                        DiskServing.DEFAULT),
                parse(spec));
    }

    @ParameterizedTest
    @CsvSource({
        "'iops=500', 500, 0",
        "'iops=1,bps=1', 1, 1",
        "'bps=64k', 0, 65536",
        "'bps=10M,iops=1099511627776', 1099511627776, 10485760",
        "'bps=1024g', 0, 1099511627776",
    })
    void limitsOfADiskAreOurOwnWords(String words, long requests, long bytes) throws Refused {
        assertEquals(new DiskRates(requests, bytes), parse("/d,raw,xvda,rw," + words).rates());
    }

    @ParameterizedTest
    @CsvSource({"'', 0", "',sector-size=512', 512", "',sector-size=4096', 4096"})
    void sectorIsTheImagesOwnUnlessItIsGiven(String words, int bytes) throws Refused {
        assertEquals(bytes, parse("/d,raw,xvda,rw" + words).serving().sectorBytes());
    }

    @ParameterizedTest
    @CsvSource({"'', AUTO", "',aio=auto', AUTO", "',aio=sync', SYNC", "',aio=io_uring', IO_URING"})
    void wayOfTheBytesIsTheServicesUnlessItIsGiven(String words, DiskAio aio) throws Refused {
        assertEquals(aio, parse("/d,raw,xvda,rw" + words).serving().aio());
    }

    @Test
    void keyFileIsAPathThatBecomesAbsolute() throws Refused {
        String words = "format=luks,vdev=xvda,key-file=k.txt,target=k";
        assertEquals("k.txt", parse(words).serving().keyFile());
        assertEquals(
                List.of(
                        "format=luks,vdev=xvda,key-file=%s,target=%s"
                                .formatted(
                                        Path.of("k.txt").toAbsolutePath(),
                                        Path.of("k").toAbsolutePath())),
                DiskSpec.absolute(List.of(words)));
        String target = Path.of("k").toAbsolutePath().toString();
        assertEquals(
                List.of("key-file=/k,trusted", target + ",luks,xvda"),
                DiskSpec.absolute(List.of("key-file=/k,trusted", "k,luks,xvda")));
        assertEquals(
                List.of("file:" + target + ",xvdk"), DiskSpec.absolute(List.of("file:k,xvdk")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "iops=0",
                "iops=-1",
                "iops=",
                "iops=1k",
                "iops=1099511627777",
                "bps=0M",
                "bps=M",
                "bps=1T",
                "bps=1025G",
                "bps=9223372036854775807G",
                "bps=1.5M"
            })
    void otherLimitsAreRefused(String word) {
        assertTrue(
                assertThrows(Refused.class, () -> parse("/d,raw,xvda,rw," + word))
                        .reason()
                        .contains("not a number from 1"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "'';no vdev given: the disk needs a name in the guest",
                "/d,raw;no vdev given: the disk needs a name in the guest",
                "/d,raw,xvd,backend=db;'''xvd'' is not a virtual disk''s name'",
                "vdev=xvda,backend=db;no target given: the disk needs a path on the back end",
                "/d,raw,xvda,iops=5,backend=db;iops and bps: only the service keeps them, not a guest",
                "/d,raw,xvda,sector-size=4096,backend=db;sector-size, aio and key-file: only the service serves them, not a guest",
                "/d,raw,xvda,aio=threads;aio=threads: not auto, sync or io_uring",
                "/d,raw,xvda,sector-size=1024;sector-size=1024: not 512 or 4096",
                "/d,luks,xvda,key-file=a,key-file=b;key-file: given twice",
                "/d,qcow2,xvda,backend=db;format qcow2: only the service serves it, not a guest",
                "/d,empty,xvda;format empty: not supported, a target is needed",
                "/d,ext4,xvda;unknown format of a disk: ext4",
                "/d,raw,xvda,x;unknown access to a disk: x",
                "/d,raw,xvda,w,more;too many parameters of a disk: more",
                "/d,raw,xvda,vdev=xvdb;vdev: given twice",
                "devtype=floppy;unknown type of a disk: floppy",
                "/d,raw,xvda:floppy;unknown type of a disk: floppy",
                ",hdc:cdrom;an empty CD-ROM drive: not supported, a target is needed",
                "vdev=hdc,cdrom;an empty CD-ROM drive: not supported, a target is needed",
                "tap:qcow2:/d,xvda,w,backend=db;format qcow2: only the service serves it, not a guest",
                "vhd:/d,xvda,backend=3;format vhd: only the service serves it, not a guest",
                "script=x,drbd:r0,xvda;script: given twice",
                "/d,raw,vdev=xvda,xvdb:disk;unknown access to a disk: xvdb:disk",
                "backendtype=qdisk;backendtype=qdisk: not supported, only phy is",
                "specification=virtio;specification=virtio: not supported, only xen is",
                "foo:/d,xvda;unknown prefix of a disk: foo:",
                "colo-host=x;colo-host: not supported",
                "colour=red;unknown parameter of a disk: colour"
            })
    void textThatIsNoDiskIsRefusedWithTheReason(String spec, String reason) {
        assertEquals(reason, assertThrows(Refused.class, () -> parse(spec)).reason());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "/srv/a.qcow2,qcow2,xvda;/srv/a.qcow2;qcow2",
                "tap:qcow2:/srv/a,xvda,w;/srv/a;qcow2",
                "format=vhd,vdev=xvda,target=/srv/a;/srv/a;vhd",
                "/srv/a,vmdk,xvda;/srv/a;vmdk",
                "vdev=xvda,target=nbd://store:10809/a,b;nbd://store:10809/a,b;raw",
                "nbd://store/a,raw,xvda;nbd://store/a;raw",
                "nbd+unix:///a?socket=/s,raw,xvda;nbd+unix:///a?socket=/s;raw",
                "nbd:store:1,xvda;store:1;raw"
            })
    void serviceServesOtherFormatsAndServers(String spec, String target, String format)
            throws Refused {
        DiskSpec disk = parse(spec);
        assertEquals(target, disk.target());
        assertEquals(format, disk.format());
    }
}
