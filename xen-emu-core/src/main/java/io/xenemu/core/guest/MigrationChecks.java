package io.xenemu.core.guest;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.backend.SavedSpec;
import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.BootModule;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainConfigCodec;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.hypervisor.MigrationOptions;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.wire.BodyReader;
import io.xenemu.kvm.wire.BodyWriter;
import io.xenemu.kvm.wire.WireException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// What both sides of a migration look at before anything moves. Each gives lines for an operator.
final class MigrationChecks {
    private static final int MIB_SHIFT = 20;

    private MigrationChecks() {}

    /// What the destination is told of a guest.
    ///
    /// @throws Refused if one of its devices cannot be saved, or one of its disks cannot be copied that is to be
    static MigrationMessage.Comer comer(
            Hypervisor hypervisor, SaveParty.Member guest, MigrationOptions options)
            throws Refused {
        return new MigrationMessage.Comer(
                GuestDescription.summary(guest.domain(), Instant.now()),
                DomainConfigCodec.VERSION,
                MigrationMessage.BodyBytes.of(
                        DomainConfigCodec.put(new BodyWriter(), guest.domain().config())),
                needs(hypervisor, guest, options));
    }

    private static MigrationMessage.Needs needs(
            Hypervisor hypervisor, SaveParty.Member guest, MigrationOptions options)
            throws Refused {
        List<MigrationMessage.BodyBytes> devices = new ArrayList<>();
        for (SavedSpec device : hypervisor.devices().needs(guest.domain())) {
            BodyWriter body = new BodyWriter();
            device.encode(body);
            devices.add(MigrationMessage.BodyBytes.of(body));
        }
        return new MigrationMessage.Needs(
                guest.domain().vcpus().getFirst().tscKhz(),
                guest.request().overcommit(),
                options.trustsStorage(),
                devices,
                options.replacesStorage(),
                options.copiesStorage() ? copies(hypervisor, guest.domain()) : List.of());
    }

    private static List<MigrationMessage.Copy> copies(Hypervisor hypervisor, Domain domain)
            throws Refused {
        List<MigrationMessage.Copy> copies = new ArrayList<>();
        hypervisor
                .devices()
                .copied(domain)
                .forEach((device, bytes) -> copies.add(new MigrationMessage.Copy(device, bytes)));
        return copies;
    }

    /// Checks that the files of a guest's next boot can be sent. Their contents go with the guest.
    ///
    /// @throws Refused if one cannot be read
    static String files(SaveParty.Member guest) throws Refused {
        GuestRequest request = guest.request();
        if (request.kept() != null) {
            return "its kernel has come with it, and goes with it";
        }
        List<String> files = new ArrayList<>();
        files.add(request.kernel().toString());
        request.modules().forEach(module -> files.add(BootModule.file(module)));
        for (String file : files) {
            // Real Xen may have kept the files of a guest that has come from it.
            boolean isElsewhere =
                    guest.domain().layout().isPresent() && Files.notExists(Path.of(file));
            if (!isElsewhere && !Files.isReadable(Path.of(file))) {
                throw new Refused(file + " cannot be read");
            }
        }
        return String.join(", ", files) + ": can be read, and go with the guest";
    }

    /// Checks that the guests of another host can come here.
    ///
    /// @return what was looked at
    /// @throws Refused if it cannot: a name, an id or a device
    /// @throws BootException if it cannot: memory or the processor
    static String here(Hypervisor hypervisor, HostedGuests guests, MigrationMessage.Hello hello)
            throws WireException, Refused, BootException {
        List<String> lines = new ArrayList<>();
        for (MigrationMessage.Comer comer : hello.all()) {
            guests.requireFree(comer.guest().name());
        }
        Teardown admitted = new Teardown();
        CopyPlaces places = new CopyPlaces();
        try {
            for (MigrationMessage.Comer comer : hello.all()) {
                here(hypervisor, comer, lines, admitted, places);
            }
        } finally {
            admitted.close();
        }
        places.requireSpace();
        return cut(String.join("\n", lines));
    }

    private static void here(
            Hypervisor hypervisor,
            MigrationMessage.Comer comer,
            List<String> lines,
            Teardown admitted,
            CopyPlaces places)
            throws WireException, Refused, BootException {
        DomainConfig config = config(comer);
        hypervisor.requireRoomFor(comer.guest().id(), config);
        lines.add(
                "the name %s and the id %d are free, and the processor has what the guest uses"
                        .formatted(comer.guest().name(), comer.guest().id().value()));
        MigrationMessage.Needs needs = comer.needs();
        if (needs.tscKhz() > 0) {
            hypervisor.requireTsc(needs.tscKhz());
            lines.add("the time stamp counter can run at %d kHz".formatted(needs.tscKhz()));
        }
        // Until all of them are, so that there is room for all.
        admitted.add(hypervisor.memory().admit(config, needs.overcommit())::close);
        lines.add("%d MiB of memory are there".formatted(config.maxMemoryBytes() >> MIB_SHIFT));
        Map<Integer, Long> copies = new HashMap<>();
        needs.copies().forEach(copy -> copies.put(copy.device(), copy.bytes()));
        for (int number = 0; number < needs.devices().size(); number++) {
            SavedSpec spec = spec(needs.devices().get(number));
            Long bytes = copies.get(number);
            if (bytes == null) {
                lines.add(hypervisor.devices().check(spec, needs.trustsStorage()));
            } else {
                BackendKind.CopyPlace place =
                        hypervisor.devices().place(spec, bytes, needs.replacesStorage());
                places.add(place);
                lines.add(spec.kind().directory() + ": " + place.found());
            }
        }
    }

    private static DomainConfig config(MigrationMessage.Comer comer) throws WireException {
        BodyReader body = comer.config().reader();
        DomainConfig config = DomainConfigCodec.get(comer.configVersion(), body);
        body.end();
        return config;
    }

    /// The configurations of the domains of guests that come, by name.
    static Map<String, DomainConfig> configs(MigrationMessage.Hello hello) throws WireException {
        Map<String, DomainConfig> configs = new HashMap<>();
        for (MigrationMessage.Comer comer : hello.all()) {
            configs.put(comer.guest().name(), config(comer));
        }
        return configs;
    }

    /// A device of a guest that comes.
    static SavedSpec spec(MigrationMessage.BodyBytes device) throws WireException {
        BodyReader reader = device.reader();
        SavedSpec spec = SavedSpec.decode(reader);
        reader.end();
        return spec;
    }

    /// An account has an end, however many devices there are.
    private static String cut(String lines) {
        int most = MigrationMessage.MAX_CHECKED_BYTES / Integer.BYTES;
        return lines.length() <= most ? lines : lines.substring(0, most);
    }
}
