package io.xenemu.core.xlcfg;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.GuestSetting;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/// The guests that configuration files describe.
final class XlGuestTest {
    private static final String PVH = "type='pvh'; name='web'; kernel='/k'\n";

    private static XlCfg cfg(String text) throws XlCfgException {
        return XlCfg.parse("web.cfg", text.getBytes(StandardCharsets.UTF_8), List.of());
    }

    private static XlGuest guest(String text) throws XlCfgException {
        return XlGuest.of(cfg(text), (_, _) -> List.of("vcpus"), false);
    }

    private static List<String> words(String text) throws XlCfgException {
        return guest(text).settings().words();
    }

    private static String refusal(String text) {
        return assertThrows(
                        XlCfgException.class,
                        () -> {
                            XlCfg cfg = cfg(text);
                            XlGuest.request(cfg, "web.cfg", guest(text).settings());
                        })
                .getMessage();
    }

    @Test
    void aPvhGuestHasTheSettingsOfItsFile() throws XlCfgException {
        XlCfg cfg =
                cfg(
                        """
                        type = "pvh"
                        name = "web"
                        uuid = "0F1E2D3C4B5A69788796A5B4C3D2E1F0"
                        kernel = "/boot/vmlinuz"
                        ramdisk = "/boot/initrd"
                        root = "/dev/xvda1 ro"
                        extra = "console=hvc0"
                        memory = 256
                        maxmem = 0x200
                        vcpus = 2
                        maxvcpus = 4
                        on_crash = "preserve"
                        localtime = 1
                        rtc_timeoffset = "-3600"
                        tsc_mode = "native"
                        viridian = [ "base", "freq" ]
                        cpuid = "host,rdrand=0"
                        nestedhvm = 0
                        max_grant_frames = 32
                        disk = [ "/srv/a,raw,xvda,w", "/srv/b,qcow2,xvdb,r" ]
                        vif = [ "mac=00:16:3e:00:00:01,bridge=xenbr0" ]
                        p9 = [ "tag=share,path=/srv" ]
                        channel = [ "name=agent,connection=pty" ]
                        serial = "pty"
                        acpi = 1
                        vnc = 1
                        vga = "stdvga"
                        pci = []
                        """);
        XlGuest guest = XlGuest.of(cfg, (_, _) -> List.of(), false);

        GuestRequest request = XlGuest.request(cfg, "web.cfg", guest.settings());

        assertEquals(List.of(), guest.warnings());
        assertEquals("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", request.config().uuid().toString());
        assertEquals("root=/dev/xvda1 ro console=hvc0", request.commandLine());
        assertEquals(2, request.onlineVcpus());
        assertEquals(4, request.config().vcpus());
        assertEquals(5, request.devices().size());
        assertTrue(
                guest.settings()
                        .words()
                        .containsAll(
                                List.of(
                                        "memory=256",
                                        "maxmem=512",
                                        "rtc_timeoffset=-3600",
                                        "localtime=true",
                                        "nestedhvm=false",
                                        "viridian=base",
                                        "viridian=freq")));
    }

    @Test
    void aPvGuestStartsInTheShim() throws XlCfgException {
        String file =
                """
                name='old'; kernel='/boot/vmlinuz'; ramdisk='/boot/initrd'; extra='console=hvc0'
                pvshim_path='/opt/xen-shim'
                """;

        assertEquals(
                List.of(
                        "name=old",
                        "kernel=/opt/xen-shim",
                        "ramdisk=/boot/vmlinuz console=hvc0",
                        "ramdisk=/boot/initrd",
                        "cmdline=pv-shim console=xen,pv",
                        "cpuid=host,itsc=1"),
                words(file));
        assertEquals(words(file), words(file + "type='pv'"));
        assertEquals(words(file), words(file + "builder='generic'"));
        assertEquals(words(file), words(file + "type='pvh'; pvshim=1"));
        assertTrue(
                words(file + "pvshim_cmdline='pv-shim'; pvshim_extra='debug'; cpuid='host'")
                        .containsAll(List.of("cmdline=pv-shim debug", "cpuid=host")));
    }

    @Test
    void aGuestWithoutAKernelStartsWithGrub() throws XlCfgException {
        String disk = "name='web'; disk=['/srv/a,raw,xvda,w']\n";

        assertEquals(
                List.of("name=web", "disk=/srv/a,raw,xvda,w", "firmware=pvgrub"),
                words(disk + "type='pvh'; firmware='pvgrub64'"));
        assertEquals(
                List.of("name=web", "disk=/srv/a,raw,xvda,w", "firmware=pvgrub"),
                words(disk + "type='pvh'; bootloader='/usr/bin/pygrub'"));
        assertEquals(
                List.of(
                        "web.cfg:2: warning: root: it has no effect without a kernel: GRUB's menu has it"),
                guest(disk + "type='pvh'; root='/dev/xvda1'").warnings());
        XlGuest pv = guest(disk + "bootloader='pygrub'");
        assertEquals(
                List.of(
                        "web.cfg:2: warning: bootloader: GRUB in the guest starts its kernel as pvh"),
                pv.warnings());
        assertEquals(List.of("name=web", "disk=/srv/a,raw,xvda,w"), words(disk + "type='pvh'"));
    }

    @Test
    void anHvmGuestWithAKernelStartsAsPvhAndAWarningSaysSo() throws XlCfgException {
        XlGuest guest = guest("type='hvm'; name='web'; kernel='/k'; vnc=0; hpet=1");

        assertEquals(List.of("name=web", "kernel=/k"), guest.settings().words());
        assertEquals(
                List.of(
                        "web.cfg:1: warning: type: it starts as pvh, without emulated devices",
                        "web.cfg:1: warning: hpet has no effect: a guest has no HPET"),
                guest.warnings());
    }

    @Test
    void anHvmGuestWithoutAKernelHasADeviceModel() throws XlCfgException {
        XlGuest guest =
                guest(
                        "type='hvm'; name='web'; disk=['/d,raw,hda,w']; boot='dc'; bios='ovmf'\n"
                                + "vnc=1; vncdisplay=3; hdtype='ahci'; serial='pty'; hpet=1; usb=0; extra='x'");

        assertEquals(
                List.of("web.cfg:2: warning: extra: it has no effect without a kernel"),
                guest.warnings());
        assertEquals(
                Set.of(
                        "name=web",
                        "disk=/d,raw,hda,w",
                        "boot=dc",
                        "vnc=true",
                        "vncdisplay=3",
                        "hdtype=ahci",
                        "serial=pty",
                        "device_model_override=qemu",
                        "firmware=ovmf"),
                Set.copyOf(guest.settings().words()));
    }

    @Test
    void anHvmGuestWithAKernelAndADeviceModelStartsTheKernelThere() throws XlCfgException {
        assertEquals(
                Set.of(
                        "name=web",
                        "device_model_override=/q",
                        "kernel=/k",
                        "cmdline=root=/dev/a x"),
                Set.copyOf(
                        words(
                                "type='hvm'; name='web'; kernel='/k'; root='/dev/a'; extra='x'; device_model_override='/q'")));
    }

    /// As xl ignores them.
    @Test
    void aPvhGuestHasNothingOfADeviceModel() throws XlCfgException {
        assertEquals(
                List.of("name=web", "kernel=/k"),
                words("type='pvh'; name='web'; kernel='/k'; vnc=1; boot='d'; serial='tcp::1'"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "memory='lots'|memory: not a whole number",
                "memory=['1']|memory: one value is needed, not a list",
                "memory=512; maxmem=256|memory, maxmem: 512 MiB are more than 256 MiB",
                "vcpus=4; maxvcpus=2|vcpus, maxvcpus: 4 are more than 2",
                "vcpus=1000|vcpus: 1000 is not between 1 and 128",
                "uuid='1-2-3'|uuid: not a UUID",
                "disk='a'|disk: a list is needed: [ ... ]",
                "disk=[['a']]|disk: a list of texts is needed, not of lists",
                "on_crash='explode'|on_crash: 'explode' is none of destroy",
                "pci=['00:1f.0']|pci: cannot be had: devices of the host are not passed through",
                "vfb=['vnc=1']|vfb: cannot be had: no virtual frame buffer",
                "acpi=0|acpi: only 1 can be had: a guest has ACPI tables",
                "tsc_mode=1|tsc_mode: '1' cannot be had",
                "firmware='pvgrub64'|firmware: a guest with a kernel has none",
                "firmware='ovmf'|firmware: it needs a device model",
                "bootloader='domUloader'|bootloader: only pygrub can be had",
                "type='arm'|type: there is no type 'arm' of guests",
                "builder='hvm'|builder: it contradicts type",
                "vpcus=1|vpcus: no such setting in xl.cfg(5) (did you mean vcpus?); xl ignores"
            })
    void aRefusalNamesTheLineAndTheSetting(String line, String reason) {
        String message = refusal(PVH + line);

        assertTrue(message.startsWith("web.cfg:2: " + reason), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "type='hvm'; name='a'; soundhw='hda'|soundhw: the device model does not have it",
                "type='hvm'; name='a'; boot='n'|boot: n: there is no emulated network interface",
                "type='hvm'; name='a'; firmware='other'|firmware: a device model has bios, ovmf",
                "type='hvm'; kernel='/k'; firmware='ovmf'|firmware: it needs a device model",
                "type='pvh'; kernel='/k'|name: a guest needs one",
                "type='pvh'; kernel='/k'; name='a'; on_crash='\\n'|on_crash: '?' is none of",
                "type='pvh'; name='a'|kernel: there is neither a kernel nor a disk to boot from",
                "type='pvh'; kernel='/k'; name=''|name: "
            })
    void aRefusalWithoutAPvhGuestNamesTheSetting(String line, String reason) {
        String message = refusal(line);

        assertTrue(
                message.startsWith("web.cfg:1: " + reason)
                        || message.startsWith("web.cfg: " + reason),
                message);
    }

    @Test
    void unknownSettingsAreIgnoredByALenientReader() throws XlCfgException {
        XlGuest guest = XlGuest.of(cfg(PVH + "site_owner='me'"), (_, _) -> List.of(), true);

        assertEquals(List.of("name=web", "kernel=/k"), guest.settings().words());
        assertEquals(List.of(), guest.warnings());
    }

    @Test
    void aKernelsWholeCommandLineCountsInPlaceOfItsParts() throws XlCfgException {
        XlGuest guest = guest(PVH + "root='/dev/xvda'; cmdline='quiet'");

        assertTrue(guest.settings().words().contains("cmdline=quiet"));
        assertEquals(
                List.of("web.cfg:2: warning: cmdline: root and extra do not count beside it"),
                guest.warnings());
    }

    @ParameterizedTest
    @EnumSource(XlKey.class)
    void eachKeyThatIsNotUsedSaysWhy(XlKey key) {
        switch (key.use()) {
            case SETTING, OWN, HVM -> {
                GuestSetting setting = key.setting();
                assertNotNull(setting);
                assertEquals(setting.key(), key.key());
            }
            case START, DEVICE_MODEL -> {}
            case FIXED, SILENT, IGNORED, HVM_ONLY, REFUSED -> assertTrue(!key.note().isEmpty());
        }
    }

    @Test
    void eachSettingOfAGuestHasAKey() {
        assertEquals(
                new TreeSet<String>(),
                Arrays.stream(GuestSetting.values())
                        .map(GuestSetting::key)
                        .filter(key -> XlKey.named(key) == null)
                        .collect(Collectors.toCollection(TreeSet::new)));
        assertEquals(XlUse.SETTING, Objects.requireNonNull(XlKey.named("memory")).use());
    }
}
