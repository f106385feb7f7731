package io.xenemu.core.control;

import static io.xenemu.core.control.VerbArgument.flag;
import static io.xenemu.core.control.VerbArgument.one;
import static io.xenemu.core.control.VerbArgument.settings;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.guest.DeviceModelConfig;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.GuestSettings;
import io.xenemu.core.guest.HostedGuest;
import io.xenemu.core.guest.WrongSetting;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import java.util.List;

/// The verbs that only a daemon serves: it starts guests, and keeps their consoles.
final class GuestCommands {
    private static final String PAUSED = "paused";
    private static final String SETTINGS = "settings";
    private static final String KIND = "kind";
    private static final String DOMAIN = "domain";

    static final List<Verb> VERBS =
            List.of(
                    Verb.ofDaemon(
                            "create",
                            "Start a guest. It is restarted when it reboots, and gone when it powers off or "
                                    + "crashes, unless its settings on_... say otherwise.",
                            Verb.Effect.CHANGES,
                            GuestCommands::create,
                            flag(PAUSED),
                            settings(SETTINGS)),
                    Verb.ofDaemon(
                            "console",
                            "Connect to a guest's console: what was printed last, and what is printed from "
                                    + "then on. Ctrl-] or the end of standard input leave it. All other keys, Ctrl-C "
                                    + "too, are the guest's.",
                            Verb.Effect.SESSION,
                            GuestCommands::console,
                            one(KIND),
                            one(DOMAIN)));

    private GuestCommands() {}

    /// Starts a guest: see [io.xenemu.core.guest.GuestSetting]. Settings that are not given have their defaults.
    private static ControlReply create(OperatedService service, VerbCall call) throws Refused {
        try {
            GuestSettings settings = GuestSettings.of(call.all(SETTINGS));
            GuestRequest guest = settings.request();
            DeviceModelConfig model = settings.deviceModel();
            if (model == null) {
                service.guests().create(guest, call.has(PAUSED));
            } else {
                service.guests().deviceModels().create(settings, guest, model, call.has(PAUSED));
            }
            return ControlReply.done();
        } catch (BootException | KvmException | WrongSetting | IllegalArgumentException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        }
    }

    /// Turns the connection into the console of a guest.
    private static ControlReply console(OperatedService service, VerbCall call) throws Refused {
        HostedGuest guest = hosted(service, call.one(DOMAIN));
        String kind = call.one(KIND);
        return switch (kind) {
            case "pv" -> ControlReply.session(new ConsoleSession(guest.console()));
            case "serial" -> ControlReply.session(new ConsoleSession(guest.serial()));
            default -> throw new Refused("no such console: " + kind);
        };
    }

    /// The guest of a name, or of a domain's id. Between the domains of a reboot only the name finds it.
    static HostedGuest hosted(OperatedService service, String name) throws Refused {
        HostedGuest guest = service.guests().named(name);
        if (guest == null) {
            guest = service.guests().named(service.named().named(name).config().name());
        }
        if (guest == null) {
            throw Refused.noSuchDomain(name);
        }
        return guest;
    }
}
