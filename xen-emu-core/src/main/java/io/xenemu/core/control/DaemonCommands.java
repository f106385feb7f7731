package io.xenemu.core.control;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.core.guest.HostedGuest;
import io.xenemu.core.guest.HostedGuests;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.KvmException;
import java.util.List;
import java.util.function.Function;

/// What an operator may ask of a daemon, besides [OperatorCommands]:
///
/// | request | what it does |
/// |---|---|
/// | `create [paused] NAME=VALUE...` | starts a guest: see [GuestWords] |
/// | `destroy DOMAIN` | ends a guest at once; its name is free afterwards |
/// | `console pv\|serial DOMAIN` | the connection becomes its console |
public final class DaemonCommands implements Function<String, ControlReply> {
    private static final String PAUSED = "paused";

    private final HostedGuests guests;
    private final OperatorCommands others;

    public DaemonCommands(HostedGuests guests, OperatorCommands others) {
        this.guests = guests;
        this.others = others;
    }

    @Override
    public ControlReply apply(String line) {
        List<String> words = ControlWords.decode(line);
        try {
            return switch (words.isEmpty() ? "" : words.getFirst()) {
                case "create" -> create(words.subList(1, words.size()));
                case "destroy" -> destroy(words);
                case "console" -> console(words);
                default -> others.apply(words);
            };
        } catch (Refused e) {
            return ControlReply.error(e.reason());
        }
    }

    private ControlReply create(List<String> words) throws Refused {
        boolean paused = !words.isEmpty() && words.getFirst().equals(PAUSED);
        try {
            GuestRequest guest = GuestWords.decode(paused ? words.subList(1, words.size()) : words);
            guests.create(guest, paused);
            return ControlReply.done();
        } catch (BootException | KvmException | IllegalArgumentException e) {
            throw new Refused(String.valueOf(e.getMessage()));
        }
    }

    private ControlReply destroy(List<String> words) throws Refused {
        if (words.size() != 2) {
            return others.apply(words);
        }
        try {
            hosted(words.get(1)).stop();
            return ControlReply.done();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Refused("the service ends");
        }
    }

    /// The guest of a name, which has no domain for a moment while it reboots, or of its domain's id.
    private HostedGuest hosted(String name) throws Refused {
        HostedGuest guest = guests.named(name);
        if (guest == null) {
            guest = guests.named(others.named(name).config().name());
        }
        if (guest == null) {
            throw new Refused("no such domain: " + name);
        }
        return guest;
    }

    private ControlReply console(List<String> words) throws Refused {
        if (words.size() != 3) {
            throw new Refused("console: a kind and a domain are needed");
        }
        HostedGuest guest = hosted(words.get(2));
        return switch (words.get(1)) {
            case "pv" -> ControlReply.session(new ConsoleSession(guest.console()));
            case "serial" -> ControlReply.session(new ConsoleSession(guest.serial()));
            default -> throw new Refused("no such console: " + words.get(1));
        };
    }
}
