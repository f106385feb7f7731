package io.xenemu.core.guest;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.host.HostProgram;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.attach.AttachMessage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Starts the device models of a service's guests, and ends those that are left at its end.
public final class DeviceModels implements AutoCloseable {
    private static final String PROGRAM = "qemu-system-x86_64";
    private static final String LIBRARY = "xen-attach.so";

    private final HostedGuests guests;
    private final AttachedGuests attached;
    private final @Nullable Path library;

    @GuardedBy("this")
    private final Set<DeviceModel> running = new HashSet<>();

    @GuardedBy("this")
    private boolean closed;

    /// @param library that makes QEMU's guest one of this service; null if there is none
    DeviceModels(HostedGuests guests, @Nullable Path library) {
        this.guests = guests;
        this.library = library;
        attached = new AttachedGuests(guests, AttachedGuests.POLL_MICROS);
    }

    /// The library of this distribution, if it has one.
    static @Nullable Path library() {
        String launcher = System.getenv("XEN_EMU_LAUNCHER");
        if (launcher == null) {
            return null;
        }
        Path folder = Path.of(launcher).toAbsolutePath().normalize().getParent();
        return folder == null ? null : folder.resolveSibling("lib").resolve(LIBRARY);
    }

    /// Starts a guest with its device model, and waits until its first domain runs.
    ///
    /// @param settings of the guest
    /// @param request the guest that they describe
    /// @param paused whether it begins paused
    /// @throws BootException when the host cannot run the guest
    /// @throws Refused when there is a guest of that name, or its device model cannot be had or does not start
    public void create(
            GuestSettings settings, GuestRequest request, DeviceModelConfig model, boolean paused)
            throws BootException, Refused {
        String name = request.config().name();
        if (guests.named(name) != null) {
            throw new Refused("a domain has this name already: " + name);
        }
        Path preloaded = library;
        if (preloaded == null || !Files.isReadable(preloaded)) {
            throw new Refused(
                    "this build has no lib/%s, which a device model needs (it is made where there is gcc)"
                            .formatted(LIBRARY));
        }
        List<String> command = new ArrayList<>();
        // It ends with the service, however that ends.
        command.addAll(
                List.of(find("setpriv", "util-linux").toString(), "--pdeathsig", "KILL", "--"));
        command.add(program(model).toString());
        command.addAll(DeviceModelCommand.words(model, request));
        Map<String, String> environment =
                Map.of(
                        "LD_PRELOAD",
                        preloaded.toString(),
                        "XEN_EMU_SETTINGS",
                        text(
                                settings.with(
                                        GuestSetting.UUID,
                                        List.of(request.config().uuid().toString()))));
        DeviceModel started;
        try {
            started = DeviceModel.start(name, command, environment, paused, attached, this::ended);
        } catch (IOException e) {
            throw new Refused("%s cannot start: %s".formatted(program(model), IoReason.of(e)));
        }
        add(started);
        try {
            started.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw Refused.serviceEnds();
        }
    }

    private static Path program(DeviceModelConfig model) throws Refused {
        if (model.program().equals(DeviceModelConfig.QEMU)) {
            return find(PROGRAM, "qemu-system-x86");
        }
        Path file = Path.of(model.program());
        if (!Files.isExecutable(file)) {
            throw new Refused(file + " is no program");
        }
        return file;
    }

    private static Path find(String program, String debianPackage) throws Refused {
        return HostProgram.find(program, HostProgram.folders())
                .orElseThrow(() ->
                        new Refused(
                                "a device model needs %s, which is not installed (Debian's package %s)"
                                        .formatted(program, debianPackage)));
    }

    /// The settings for the VMM, which sends them back: without those of the machine.
    private static String text(GuestSettings settings) throws Refused {
        List<String> words = settings.without(AttachedGuests.OF_THE_MACHINE).words();
        String text = String.join("\n", words);
        if (words.stream().anyMatch(word -> word.indexOf('\n') >= 0)) {
            throw new Refused("a setting of more than one line");
        }
        if (text.getBytes(StandardCharsets.UTF_8).length > AttachMessage.MAX_SETTINGS) {
            throw new Refused(
                    "settings of more than %d bytes, which is the most with a device model"
                            .formatted(AttachMessage.MAX_SETTINGS));
        }
        return text;
    }

    private void add(DeviceModel model) throws Refused {
        synchronized (this) {
            if (!closed) {
                running.add(model);
                model.supervise();
                return;
            }
        }
        model.supervise();
        model.end();
        throw Refused.serviceEnds();
    }

    private synchronized void ended(DeviceModel model) {
        running.remove(model);
    }

    /// Ends all that are left, and with them their guests.
    @Override
    public void close() {
        List<DeviceModel> left;
        synchronized (this) {
            closed = true;
            left = List.copyOf(running);
        }
        left.forEach(DeviceModel::end);
    }
}
