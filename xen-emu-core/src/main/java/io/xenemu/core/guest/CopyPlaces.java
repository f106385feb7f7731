package io.xenemu.core.guest;

import io.xenemu.core.backend.BackendKind;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/// The places of all disks whose content is to come with guests.
final class CopyPlaces {
    private static final int MIB_SHIFT = 20;

    private final Map<FileStore, Long> taken = new LinkedHashMap<>();
    private final Set<Path> made = new HashSet<>();

    /// Adds one.
    ///
    /// @throws Refused if the file is that of another disk too, as two disks can have one image that is only read
    void add(BackendKind.CopyPlace place) throws Refused {
        Path file = place.made().orElse(null);
        if (file != null && !made.add(file)) {
            throw new Refused(
                    file
                            + " would be made for two disks that are only read; copy it here before, and both are compared with it");
        }
        Long _ = taken.merge(place.store(), place.bytes(), Long::sum);
    }

    /// Checks that there is room for all of them.
    ///
    /// @throws Refused for the first file system that has none
    void requireSpace() throws Refused {
        for (Map.Entry<FileStore, Long> store : taken.entrySet()) {
            requireSpace(store.getKey(), store.getValue());
        }
    }

    private static void requireSpace(FileStore store, long bytes) throws Refused {
        try {
            if (store.getUsableSpace() < bytes) {
                throw new Refused(
                        "the disks take %d MiB of %s, where %d MiB are free"
                                .formatted(
                                        bytes >> MIB_SHIFT,
                                        store.name(),
                                        store.getUsableSpace() >> MIB_SHIFT));
            }
        } catch (IOException e) {
            throw new Refused(store.name() + ": " + IoReason.of(e));
        }
    }
}
