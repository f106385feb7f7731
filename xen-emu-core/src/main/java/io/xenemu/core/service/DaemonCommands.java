package io.xenemu.core.service;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.domain.Domain;
import io.xenemu.kvm.abi.KvmException;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/// What an operator may ask of a daemon, besides [OperatorCommands]:
///
/// | request | what it does |
/// |---|---|
/// | `create [paused] NAME=VALUE...` | starts a guest: see [GuestWords] |
/// | `destroy DOMAIN` | ends a guest at once; its name is free afterwards |
/// | `console pv\|serial DOMAIN` | the connection becomes its console |
final class DaemonCommands implements Function<String, ControlReply> {
    private static final String PAUSED = "paused";

    private final HostedGuests guests;
    private final OperatorCommands.Domains domains;
    private final OperatorCommands others;

    DaemonCommands(HostedGuests guests, OperatorCommands.Domains domains) {
        this.guests = guests;
        this.domains = domains;
        this.others = new OperatorCommands(domains);
    }

    @Override
    public ControlReply apply(String line) {
        List<String> words = ControlWords.decode(line);
        if (words.isEmpty()) {
            return others.apply(words);
        }
        List<String> rest = words.subList(1, words.size());
        return switch (words.getFirst()) {
            case "create" -> create(rest);
            case "destroy" -> destroy(words);
            case "console" -> console(rest);
            default -> others.apply(words);
        };
    }

    private ControlReply create(List<String> words) {
        boolean paused = !words.isEmpty() && words.getFirst().equals(PAUSED);
        try {
            guests.create(
                    GuestWords.decode(paused ? words.subList(1, words.size()) : words), paused);
            return ControlReply.done();
        } catch (BootException
                | OperatorCommands.Refused
                | KvmException
                | IllegalArgumentException e) {
            return ControlReply.error(String.valueOf(e.getMessage()));
        }
    }

    private ControlReply destroy(List<String> words) {
        Optional<String> name = words.size() == 2 ? nameOf(words.get(1)) : Optional.empty();
        ControlReply reply = others.apply(words);
        if (name.isPresent() && reply.equals(ControlReply.done())) {
            try {
                guests.awaitEnd(name.get());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        return reply;
    }

    private ControlReply console(List<String> words) {
        if (words.size() != 2) {
            return ControlReply.error("console: a kind and a domain are needed");
        }
        HostedGuest guest = nameOf(words.get(1)).map(guests::named).orElse(null);
        if (guest == null) {
            return ControlReply.error("no such domain: " + words.get(1));
        }
        return switch (words.get(0)) {
            case "pv" -> ControlReply.session(new ConsoleSession(guest.console()));
            case "serial" -> ControlReply.session(new ConsoleSession(guest.serial()));
            default -> ControlReply.error("no such console: " + words.get(0));
        };
    }

    /// The name of a domain that is named by its id or name.
    private Optional<String> nameOf(String named) {
        var found =
                new Object() {
                    Optional<String> name = Optional.empty();
                };
        domains.forEach(domain -> {
            if (OperatorCommands.isNamed(domain, named)) {
                found.name = Optional.of(name(domain));
            }
        });
        return found.name;
    }

    private static String name(Domain domain) {
        return domain.config().name();
    }
}
