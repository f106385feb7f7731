package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.toolstack.Refused;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The device models that settings describe, and the command lines of their QEMU.
final class DeviceModelConfigTest {
    private static final String MODEL = "device_model_override=qemu";
    private static final String DISK = "disk=format=raw,vdev=xvda,access=rw,target=/srv/a,b.img";

    private static GuestSettings settings(String... words) {
        List<String> all = new ArrayList<>(List.of(MODEL, "name=web", "memory=256", "vcpus=2"));
        all.addAll(List.of(words));
        return GuestSettings.of(all);
    }

    private static String command(String... words) throws WrongSetting, Refused {
        GuestSettings settings = settings(words);
        DeviceModelConfig model = settings.deviceModel();
        assertNotNull(model);
        return String.join(" ", DeviceModelCommand.words(model, settings.request()));
    }

    private static void assertHas(String command, String part) {
        assertTrue((" " + command + " ").contains(" " + part + " "), command);
    }

    @Test
    void machineHasTheGuestsMemoryAndProcessorsAndNothingElse() throws Exception {
        String command = command(DISK);
        assertHas(
                command,
                "-m size=262144k -object memory-backend-memfd,id=ram,size=262144k,share=on");
        assertHas(command, "-smp 2");
        assertHas(command, "-nodefaults -no-user-config");
        assertHas(command, "-display none");
        assertHas(command, "-chardev stdio,id=tty,signal=off -serial chardev:tty");
        assertFalse(command.contains("-bios"), command);
        assertFalse(command.contains("-kernel"), command);
    }

    @Test
    void rawDisksAreEmulatedTooAndOthersAreNot() throws Exception {
        String command =
                command(
                        DISK,
                        "disk=/srv/c.qcow2,qcow2,xvdb,w",
                        "disk=/srv/d.img,raw,hdd,w",
                        "disk=/srv/e.img,raw,xvde,w",
                        "disk=/srv/f.img,raw,xvda1,w",
                        "disk=/srv/g.img,raw,xvdc,r");
        assertTrue(command.contains("file.locking=off,file.filename=/srv/a,,b.img "), command);
        assertHas(command, "-device ide-hd,drive=disk0,bus=ide.0,unit=0,bootindex=1");
        assertHas(command, "-device ide-hd,drive=disk3,bus=ide.1,unit=1,bootindex=2");
        for (String other : List.of("c.qcow2", "e.img", "f.img", "g.img")) {
            assertFalse(command.contains(other), command);
        }
    }

    @Test
    void ahciHasRoomForSixDisks() throws Exception {
        String command = command("hdtype=ahci", DISK, "disk=/srv/e.img,raw,xvde,w");
        assertHas(command, "-device ich9-ahci,id=ahci");
        assertHas(command, "-device ide-hd,drive=disk0,bus=ahci.0,bootindex=1");
        assertHas(command, "-device ide-hd,drive=disk4,bus=ahci.4,bootindex=2");
    }

    @ParameterizedTest
    @CsvSource({"cd, 1, 2", "dc, 2, 1"})
    void bootNamesTheOrderOfDisksAndCdroms(String boot, int disk, int cdrom) throws Exception {
        String command = command("boot=" + boot, DISK, "disk=/srv/cd.iso,raw,hdc,cdrom");
        assertHas(command, "-device ide-hd,drive=disk0,bus=ide.0,unit=0,bootindex=" + disk);
        assertHas(command, "-device ide-cd,drive=disk2,bus=ide.1,unit=0,bootindex=" + cdrom);
    }

    @Test
    void kernelStartsWithoutADisk() throws Exception {
        String command = command("kernel=/k", "ramdisk=/i", "cmdline=console=ttyS0 quiet");
        assertHas(command, "-kernel /k -append console=ttyS0 quiet -initrd /i");
    }

    @Test
    void machineWithNothingToBootIsRefused() {
        assertEquals(
                "nothing to boot from: there is no kernel, and no raw image that is a disk of boot=cd",
                assertThrows(Refused.class, () -> command("disk=/srv/c.qcow2,qcow2,xvda,w"))
                        .reason());
    }

    @ParameterizedTest
    @CsvSource({
        "bios, ''",
        "seabios, ''",
        "ovmf, /usr/share/ovmf/OVMF.fd",
        "/srv/my.fd, /srv/my.fd"
    })
    void firmwareIsANameOfXlsOrAFile(String word, String file) throws Exception {
        DeviceModelConfig model = settings("firmware=" + word).deviceModel();
        assertNotNull(model);
        assertEquals(file, model.firmware());
    }

    @ParameterizedTest
    @CsvSource({
        "vnc=1, 127.0.0.1:0",
        "vnc=1 vncdisplay=5, 127.0.0.1:5",
        "vnc=1 vnclisten=0.0.0.0:3, 0.0.0.0:3",
        "vnc=1 vnclisten=unix:/run/web.vnc, unix:/run/web.vnc"
    })
    void screenIsShownWhereXlWouldShowIt(String words, String display) throws Exception {
        List<String> all = new ArrayList<>(List.of(words.split(" ")));
        all.add(DISK);
        assertHas(command(all.toArray(String[]::new)), "-vga std -vnc " + display);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "firmware=rombios",
                "boot=n",
                "boot=x",
                "hdtype=scsi",
                "maxmem=512",
                "maxvcpus=4",
                "vnc=2"
            })
    void whatADeviceModelDoesNotHaveIsRefused(String word) {
        assertThrows(WrongSetting.class, () -> settings(word).deviceModel());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "boot=d",
                "hdtype=ahci",
                "vnc=1",
                "vnclisten=0.0.0.0",
                "vncdisplay=2",
                "serial=none"
            })
    void guestWithoutADeviceModelHasNoneOfItsSettings(String word) throws Exception {
        GuestSettings settings = GuestSettings.of(List.of("kernel=/k", word));
        assertThrows(WrongSetting.class, settings::deviceModel);
        assertNull(GuestSettings.of(List.of("kernel=/k", "boot=cd", "serial=pty")).deviceModel());
    }

    @Test
    void programAndFirmwareGetAbsolutePathsAndNamesStay() {
        List<String> words =
                GuestSettings.of(List.of("device_model_override=q", "firmware=f"))
                        .absolute()
                        .words();
        assertTrue(words.contains("firmware=" + Path.of("f").toAbsolutePath()), words.toString());
        assertTrue(
                words.contains("device_model_override=" + Path.of("q").toAbsolutePath()),
                words.toString());
        assertTrue(
                settings("firmware=ovmf")
                        .absolute()
                        .words()
                        .containsAll(List.of(MODEL, "firmware=ovmf")));
    }
}
