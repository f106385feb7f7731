package io.xenemu.core.guest;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.backend.engine.EngineMap;
import io.xenemu.core.cpuid.CpuConfig;
import io.xenemu.core.cpuid.CpuidOverrides;
import io.xenemu.core.cpuid.PolicyFile;
import io.xenemu.core.cpuid.TscMode;
import io.xenemu.core.cpuid.Viridian;
import io.xenemu.core.device.GenerationId;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.toolstack.ConsoleSpec;
import io.xenemu.core.toolstack.DeviceSpec;
import io.xenemu.core.toolstack.DiskSpec;
import io.xenemu.core.toolstack.NicSpec;
import io.xenemu.core.toolstack.P9Spec;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.kvm.abi.DomId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneId;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.UUID;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The settings of a guest, from words to the guest.
final class GuestSettingsPropertyTest {
    private static final List<String> ALL =
            List.of(
                    "on_poweroff=restart",
                    "on_reboot=rename-restart",
                    "on_crash=preserve",
                    "on_watchdog=coredump-restart",
                    "on_soft_reset=preserve",
                    "name=web",
                    "uuid=00000000-0000-0001-0000-000000000002",
                    "memory=512",
                    "maxmem=1G",
                    "vcpus=2",
                    "maxvcpus=4",
                    "xen_version=4.19",
                    "max_grant_frames=32",
                    "max_maptrack_frames=512",
                    "max_grant_version=1",
                    "evtchn=auto",
                    "max_event_channels=100",
                    "hvm_pirq=1",
                    "kernel=/boot/vm linuz",
                    "firmware=",
                    "ramdisk=/boot/initrd.img",
                    "cmdline=console=hvc0 root=/dev/xvda1 % + \u00e4",
                    "ramdisk=/boot/module with=an argument",
                    "ms_vm_genid=none",
                    "rtc_timeoffset=-3600",
                    "localtime=1",
                    "overcommit=true",
                    "engines=block:0,-,net:1",
                    "domid=32751",
                    "disk=/srv/web.img,raw,xvda,ro",
                    "vif=mac=00:16:3e:01:02:03,devid=2",
                    "p9=tag=data,path=/srv,security_model=mapped,max-space=10",
                    "channel=name=agent,connection=socket,path=/run/agent",
                    "disk=vdev=xvdb,backend=store,target=/dev/vg/data",
                    "cpuid=host,sse3=0",
                    "cpuid=7,0:ebx=0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                    "cpu_baseline=" + baseline(),
                    "tsc_mode=native",
                    "viridian=base,stimer",
                    "viridian=freq",
                    "nestedhvm=0");

    private static final String POLICY =
            "xen-emu-cpu-policy 1\n0x0 eax=0x1\n0x1 eax=0x800f12 ecx=0x1\n";

    private static final CpuConfig CPU =
            new CpuConfig(
                    PolicyFile.parse(POLICY),
                    CpuidOverrides.parse(List.of("host,sse3=0,avx512vl=0")),
                    TscMode.NATIVE,
                    Viridian.parse(List.of("base", "freq", "stimer")),
                    false);

    private static final List<DeviceSpec> DEVICES = devices();

    private static List<DeviceSpec> devices() {
        try {
            return List.of(
                    DiskSpec.parse(List.of("/srv/web.img,,xvda,r")),
                    DiskSpec.parse(List.of("/dev/vg/data,raw,xvdb,w,backend=store")),
                    NicSpec.parse(List.of("mac=00:16:3e:01:02:03,devid=2"), new Random(1)),
                    P9Spec.parse(List.of("tag=data,path=/srv,security_model=mapped,max-space=10")),
                    ConsoleSpec.parse(List.of("name=agent,connection=socket,path=/run/agent")));
        } catch (Refused e) {
            throw new IllegalStateException(e);
        }
    }

    private static final GuestRequest REQUEST =
            new GuestRequest(
                    new DomainConfig(
                            "web",
                            new UUID(1, 2),
                            512 << 20,
                            1L << 30,
                            4,
                            0x4_0013,
                            new GrantLimits(32, 512, 1),
                            new EventChannelConfig(true, 100, true),
                            CPU),
                    2,
                    Path.of("/boot/vm linuz"),
                    List.of("/boot/initrd.img", "/boot/module with=an argument"),
                    "console=hvc0 root=/dev/xvda1 % + \u00e4",
                    new PlatformSettings(GenerationId.NONE, -3600, true),
                    new EndActions(
                            EndAction.RESTART,
                            EndAction.RENAME_RESTART,
                            EndAction.PRESERVE,
                            EndAction.COREDUMP_RESTART,
                            EndAction.PRESERVE),
                    DEVICES,
                    true,
                    EngineMap.parse("block:0,-,net:1"),
                    new DomId(32751),
                    null);

    /// A file of a policy.
    private static Path baseline() {
        try {
            Path file = Files.createTempFile("cpu", ".policy");
            file.toFile().deleteOnExit();
            return Files.writeString(file, POLICY);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static GuestRequest request(List<String> words) throws WrongSetting {
        return GuestSettings.of(words).request();
    }

    @Test
    void everySettingReachesTheGuest() throws WrongSetting {
        assertEquals(REQUEST, request(ALL));
        for (GuestSetting setting : GuestSetting.values()) {
            if (setting == GuestSetting.DEVICE_MODEL
                    || DeviceModelConfig.SETTINGS.contains(setting)) {
                // No PVH guest has them: see DeviceModelConfigTest.
                continue;
            }
            assertTrue(
                    ALL.stream().anyMatch(word -> word.startsWith(setting.key() + "=")),
                    setting.key());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "1", "129", "two"})
    void maximumOfVcpusIsAtLeastTheirNumberAndAtMostXens(String maximum) {
        assertThrows(
                WrongSetting.class,
                () -> request(List.of("kernel=/k", "vcpus=2", "maxvcpus=" + maximum)));
    }

    @Test
    void eachGuestGetsAGenerationIdOfItsOwn() throws WrongSetting {
        List<String> words = List.of("kernel=/k", "ms_vm_genid=generate");
        PlatformSettings one = request(words).platform();
        assertTrue(one.generation().exists());
        assertFalse(one.generation().equals(request(words).platform().generation()));
        assertFalse(one.generation().equals(one.sibling().generation()));
        assertEquals(PlatformSettings.DEFAULT, request(List.of("kernel=/k")).platform());
        assertEquals(PlatformSettings.DEFAULT, PlatformSettings.DEFAULT.sibling());
        WrongSetting wrong =
                assertThrows(
                        WrongSetting.class, () -> request(List.of("kernel=/k", "ms_vm_genid=7")));
        assertEquals("ms_vm_genid: '7' is neither none nor generate", wrong.getMessage());
    }

    @Test
    void clockThatTheGuestHasSetKeepsItsTimeWhateverTheTimeZone() {
        PlatformSettings settings = new PlatformSettings(GenerationId.NONE, 60, true);
        Instant now = Instant.parse("2026-07-01T00:00:00Z");
        int zone = ZoneId.systemDefault().getRules().getOffset(now).getTotalSeconds();
        assertEquals(60 + zone, settings.clockOffset(now));
        assertEquals(90, settings.withClock(90).clockOffset(now));
    }

    @Test
    void guestStartsWithAKernelOrABootLoader() throws WrongSetting {
        String disk = "disk=/srv/web.img,raw,xvda";
        Path grub = Path.of("/usr/lib/grub-xen/grub-i386-xen_pvh.bin");

        assertEquals(Path.of("/k"), request(List.of("kernel=/k", disk)).kernel());
        assertEquals(grub, request(List.of(disk)).kernel());
        assertEquals(grub, request(List.of(disk, "kernel=", "ramdisk=", "cmdline=")).kernel());
        assertEquals(grub, request(List.of("firmware=pvgrub", "cmdline=x")).kernel());
        assertEquals(Path.of("/uefi"), request(List.of("firmware=/uefi", disk)).kernel());
        assertEquals(
                "kernel, firmware: a guest starts with one of them",
                refusal("kernel=/k", "firmware=pvgrub"));
        assertEquals(
                "kernel: there is neither a kernel nor a disk to boot from",
                refusal("vif=bridge=br0"));
        assertEquals("ramdisk: there is no kernel that it belongs to", refusal(disk, "ramdisk=/i"));
        assertEquals(
                "cmdline: there is no kernel that it belongs to", refusal(disk, "cmdline=quiet"));
        assertEquals(
                "firmware: Debian has no 'uefi' for PVH guests; name a file",
                refusal(disk, "firmware=uefi"));
    }

    private static String refusal(String... words) {
        WrongSetting wrong = assertThrows(WrongSetting.class, () -> request(List.of(words)));
        return String.valueOf(wrong.getMessage());
    }

    @Test
    void kernelAloneIsEnough() throws WrongSetting {
        GuestRequest guest = request(List.of("kernel=/k"));

        assertEquals("guest", guest.config().name());
        assertEquals(512 << 20, guest.config().memoryBytes());
        assertEquals(512 << 20, guest.config().maxMemoryBytes());
        assertEquals(EventChannelConfig.DEFAULT, guest.config().events());
        assertEquals(List.of(), guest.modules());
        assertEquals(EndActions.DEFAULT, guest.ends());
        assertFalse(guest.overcommit());
        assertEquals("kernel: there is neither a kernel nor a disk to boot from", refusal());
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "32752"})
    void idIsOneThatADomainCanHave(String id) {
        assertEquals(
                "domid: " + id + " is not between 1 and 32751",
                refusal("kernel=/k", "domid=" + id));
    }

    @Test
    void maximumIsNotBelowTheMemory() {
        WrongSetting wrong =
                assertThrows(WrongSetting.class, () -> request(List.of("kernel=/k", "maxmem=511")));
        assertEquals("memory, maxmem: 512 MiB are more than 511 MiB", wrong.getMessage());
    }

    @Property
    void anySettingsGoThroughWords(
            @ForAll @IntRange(min = 1, max = DomainConfig.MAX_VCPUS) int vcpus,
            @ForAll @CharRange(to = '\ud7ff') String append,
            @ForAll List<@CharRange(to = '\ud7ff') String> modules)
            throws WrongSetting {
        GuestSettings settings =
                GuestSettings.of(ALL)
                        .with(GuestSetting.VCPUS, List.of(Integer.toString(vcpus)))
                        .with(GuestSetting.MAXVCPUS, List.of())
                        .with(GuestSetting.CMDLINE, List.of(append))
                        .with(GuestSetting.RAMDISK, modules);

        GuestRequest request = GuestSettings.of(settings.words()).request();

        assertEquals(vcpus, request.config().vcpus());
        assertEquals(vcpus, request.onlineVcpus());
        assertEquals(append, request.commandLine());
        assertEquals(modules, request.modules());
    }

    @Property
    void anyValueIsAcceptedOrRefusedInOneLine(@ForAll GuestSetting setting, @ForAll String value) {
        try {
            GuestRequest _ = GuestSettings.of(ALL).with(setting, List.of(value)).request();
        } catch (WrongSetting e) {
            String message = String.valueOf(e.getMessage());
            assertTrue(message.contains(setting.key()), message);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "name=a/b",
                "name=",
                "name=a\nb",
                "name=3",
                "uuid=1",
                "memory=0",
                "memory=-1",
                "memory=lots",
                "firmware=seabios",
                "vcpus=0",
                "vcpus=129",
                "vcpus=x",
                "xen_version=4",
                "evtchn=3level",
                "hvm_pirq=yes",
                "on_reboot=rename-destroy",
                "on_crash=PRESERVE",
                "on_crash=soft-reset",
                "on_soft_reset=reset",
                "max_event_channels=1",
                "max_grant_frames=0",
                "max_maptrack_frames=-1",
                "max_grant_version=3",
                "cpuid=host,sse3",
                "cpu_baseline=/nonexistent",
                "cpu_baseline=/",
                "tsc_mode=always_emulate",
                "tsc_mode=native_paravirt",
                "viridian=relaxed",
                "nestedhvm=1",
                "disk=/srv/web.img",
                "vif=mac=none",
                "p9=tag=data",
                "channel=name=agent"
            })
    void impossibleGuestIsRefused(String word) {
        GuestSetting setting =
                Objects.requireNonNull(GuestSetting.keyed(word.substring(0, word.indexOf('='))));
        String value = word.substring(word.indexOf('=') + 1);
        GuestSettings settings = GuestSettings.of(ALL).with(setting, List.of(value));

        WrongSetting wrong = assertThrows(WrongSetting.class, settings::request);

        assertTrue(String.valueOf(wrong.getMessage()).contains(setting.key()), wrong.toString());
        assertThrows(
                WrongSetting.class, () -> settings.with(setting, List.of(value, value)).request());
    }

    @Test
    void wordsThatNameNoSettingAreRefused() {
        for (String word : List.of("nonsense", "append=x", "=")) {
            assertThrows(IllegalArgumentException.class, () -> GuestSettings.of(List.of(word)));
        }
    }

    @Test
    void messagesNameOptionsForTheCommandLine() {
        WrongSetting grants =
                assertThrows(
                        WrongSetting.class,
                        () -> request(List.of("kernel=k", "max_grant_version=3")));
        assertEquals(
                "--max-grant-frames, --max-maptrack-frames, --max-grant-version: grant table version is 1 or 2: 3",
                grants.byOption());
    }

    @Test
    void filesGetAbsolutePaths() {
        GuestSettings settings =
                GuestSettings.of(
                                List.of(
                                        "kernel=k",
                                        "firmware=pvgrub",
                                        "disk=a b.img,raw,xvda",
                                        "disk=vdev=xvdb,target=b.img",
                                        "disk=file:c.img,xvdc,w",
                                        "disk=d.img,raw,xvdd,backend=store",
                                        "disk=/e.img,raw,xvde",
                                        "disk=nonsense",
                                        "ramdisk=r x"))
                        .absolute();

        assertEquals(
                List.of(
                        "kernel=" + Path.of("k").toAbsolutePath(),
                        "firmware=pvgrub",
                        "disk=" + Path.of("a b.img").toAbsolutePath() + ",raw,xvda",
                        "disk=vdev=xvdb,target=" + Path.of("b.img").toAbsolutePath(),
                        "disk=file:" + Path.of("c.img").toAbsolutePath() + ",xvdc,w",
                        "disk=d.img,raw,xvdd,backend=store",
                        "disk=/e.img,raw,xvde",
                        "disk=nonsense",
                        "ramdisk=" + Path.of("r").toAbsolutePath() + " x"),
                settings.words());
    }
}
