package io.xenemu.core.guest;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.hypervisor.DomainDevices;
import io.xenemu.core.migration.DiskSink;
import io.xenemu.core.migration.MigrationMessage;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// The disks of guests from another host whose content comes with them, as the source has named them. They are removed
/// at the end unless they were kept.
final class IncomingDisks implements AutoCloseable {
    /// By the names of the guests.
    private final Map<String, List<BackendKind.IncomingDisk>> disks = new LinkedHashMap<>();

    private IncomingDisks() {}

    /// No disks.
    static IncomingDisks none() {
        return new IncomingDisks();
    }

    /// Makes the disks, without content.
    ///
    /// @throws Refused if one cannot be made; none is there then
    static IncomingDisks make(DomainDevices devices, List<MigrationMessage.Comer> guests)
            throws Refused, WireException {
        IncomingDisks made = new IncomingDisks();
        boolean done = false;
        try {
            for (MigrationMessage.Comer guest : guests) {
                MigrationMessage.Needs needs = guest.needs();
                List<BackendKind.IncomingDisk> own = new ArrayList<>();
                made.disks.put(guest.guest().name(), own);
                for (MigrationMessage.Copy copy : needs.copies()) {
                    own.add(
                            devices.incoming(
                                    MigrationChecks.spec(needs.devices().get(copy.device())),
                                    needs.replacesStorage()));
                }
            }
            done = true;
            return made;
        } finally {
            if (!done) {
                made.close();
            }
        }
    }

    private Stream<BackendKind.IncomingDisk> all() {
        return disks.values().stream().flatMap(List::stream);
    }

    /// Where the content of a guest's disks goes, in the order of the stream.
    List<? extends DiskSink> sinks(String guest) {
        return disks.getOrDefault(guest, List.of());
    }

    /// Puts them where the guests' devices find them: all of their content is there.
    void complete() throws IOException {
        for (BackendKind.IncomingDisk disk : all().toList()) {
            disk.complete();
        }
    }

    /// Lets them stay: the guests run here.
    void keep() {
        all().forEach(BackendKind.IncomingDisk::keep);
    }

    @Override
    public void close() {
        all().forEach(BackendKind.IncomingDisk::close);
    }
}
