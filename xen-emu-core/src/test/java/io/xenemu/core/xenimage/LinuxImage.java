package io.xenemu.core.xenimage;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.core.boot.GuestMemoryMap;
import io.xenemu.core.device.ConsoleLog;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.guest.EndActions;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.guest.PlatformSettings;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.HostKvm;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.machine.CapturedVm;
import io.xenemu.gnttab.GrantLimits;
import io.xenemu.xenstore.quota.Quotas;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.UUID;

/// Boots Linux, has it suspend itself, and writes the image that `xl save` would have made of it. A program for inside
/// the lab; `ImportLoad` runs it. Arguments: kernel, initramfs, its command line, the image, and a command that the
/// guest's shell runs before.
public final class LinuxImage implements AutoCloseable {
    private static final int PAGE = 4096;
    private static final int BATCH = 1024;
    private static final long MEMORY = 128 << 20;
    private static final long ALLOCATED = 0xeL << 60;
    private static final String NAME = "linux";

    private final Hypervisor hypervisor =
            new Hypervisor(HostKvm.open(), new SimpleMeterRegistry(), Quotas.DEFAULT);
    private final HostedGuests guests =
            new HostedGuests(hypervisor, Path.of("/nonexistent"), Path.of("/nonexistent"));

    private LinuxImage() throws Exception {}

    public static void main(String[] args) throws Exception {
        try (LinuxImage linux = new LinuxImage()) {
            Domain domain = linux.boot(Path.of(args[0]), args[1], args[2], args[4]);
            linux.hypervisor.operated().order(domain, DomainOrder.Plain.SUSPEND);
            try (OutputStream image = Files.newOutputStream(Path.of(args[3]))) {
                write(domain, image, args[0], args[1]);
            }
        }
        System.out.println("written");
    }

    private Domain boot(Path kernel, String initramfs, String commandLine, String command)
            throws Exception {
        DomainConfig config =
                new DomainConfig(
                        NAME,
                        UUID.randomUUID(),
                        MEMORY,
                        2,
                        4 << 16 | 17,
                        GrantLimits.defaults(),
                        new EventChannelConfig(true, 1023, false));
        guests.create(
                new GuestRequest(
                        config,
                        2,
                        kernel,
                        List.of(initramfs),
                        commandLine,
                        PlatformSettings.DEFAULT,
                        EndActions.ONCE,
                        true),
                false);
        ConsoleLog console = Objects.requireNonNull(guests.named(NAME)).console();
        ConsoleLog.Reader reader = console.reader();
        await(reader, "Leave with: poweroff");
        byte[] typed = (command + "; echo all is do''ne\n").getBytes(ISO_8859_1);
        console.type(typed, typed.length);
        await(reader, "all is done");
        List<Domain> domains = new ArrayList<>();
        hypervisor.operated().forEach(domains::add);
        return domains.getFirst();
    }

    private static void await(ConsoleLog.Reader reader, String text) throws InterruptedException {
        StringBuilder printed = new StringBuilder();
        byte[] bytes = new byte[1 << 12];
        while (printed.indexOf(text) < 0) {
            int count = reader.take(bytes);
            if (count == 0) {
                throw new IllegalStateException("the guest is gone: " + printed);
            }
            printed.append(new String(bytes, 0, count, ISO_8859_1));
        }
    }

    private static void write(Domain domain, OutputStream to, String kernel, String initramfs)
            throws IOException {
        String config =
                XlImage.config(NAME, 2, MEMORY >> 10, ", 'on_crash': 'preserve'")
                        .replace(
                                "/boot/of-another-host\"",
                                kernel + "\", \"ramdisk\": \"" + initramfs + '"')
                        .replace("[0]", "[0, 1]")
                        .replace("\"native\"", "\"default\"");
        CapturedVm vm = CapturedVm.of(domain);
        to.write(
                new XlImage()
                        .xl(config)
                        .libxl()
                        .libxc()
                        .processor(
                                CodeImage.bytes(
                                        Objects.requireNonNull(domain.config().cpu().policy())
                                                .entries()))
                        .bytes());
        writePages(domain, to);
        to.write(
                new XlImage()
                        .tsc(0, vm.time().khz())
                        .record(XlImage.HVM_CONTEXT, KvmContextImage.of(vm))
                        .params()
                        .end()
                        .bytes());
    }

    /// Writes all frames of RAM that are the guest's own now, and Xen's pages.
    private static void writePages(Domain domain, OutputStream to) throws IOException {
        MemorySegment ram = domain.memory().ram();
        ByteBuffer heads = XlImage.buffer(8 + 8 * BATCH);
        ByteBuffer data = XlImage.buffer(BATCH * PAGE);
        long home = 0;
        for (GuestMemoryMap.Slot slot : domain.memoryMap().slots()) {
            boolean isRam = slot.backing() == GuestMemoryMap.Backing.RAM;
            for (long at = 0; at < slot.length(); at += PAGE) {
                long frame = (slot.start() + at) / PAGE;
                if (heads.position() == 0) {
                    heads.putLong(0);
                }
                if (!isRam) {
                    heads.putLong(frame);
                    data.put(new byte[PAGE]);
                } else {
                    put(domain, ram, frame, home, heads, data);
                    home++;
                }
                if (!heads.hasRemaining()) {
                    flush(heads, data, to);
                }
            }
        }
        flush(heads, data, to);
    }

    private static void put(
            Domain domain,
            MemorySegment ram,
            long frame,
            long home,
            ByteBuffer heads,
            ByteBuffer data) {
        if (domain.memory().pageAt(frame) != home) {
            heads.putLong(XlImage.GONE | frame);
            return;
        }
        byte[] page = ram.asSlice(home * PAGE, PAGE).toArray(ValueLayout.JAVA_BYTE);
        boolean isZero =
                MemorySegment.ofArray(page).mismatch(MemorySegment.ofArray(new byte[PAGE])) < 0;
        heads.putLong(isZero ? ALLOCATED | frame : frame);
        if (!isZero) {
            data.put(page);
        }
    }

    private static void flush(ByteBuffer heads, ByteBuffer data, OutputStream to)
            throws IOException {
        int count = heads.position() / 8 - 1;
        if (count > 0) {
            heads.putInt(0, count);
            byte[] body = new byte[heads.position() + data.position()];
            heads.get(0, body, 0, heads.position());
            data.get(0, body, heads.position(), data.position());
            to.write(new XlImage().record(XlImage.PAGE_DATA, body).bytes());
        }
        heads.clear();
        data.clear();
    }

    @Override
    public void close() {
        guests.close();
        hypervisor.close();
    }
}
