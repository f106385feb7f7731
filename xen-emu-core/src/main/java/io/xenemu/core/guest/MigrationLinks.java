package io.xenemu.core.guest;

import io.xenemu.core.migration.MigrationLink;
import java.util.ArrayList;
import java.util.List;

/// Further connections of a migration, which end together.
final class MigrationLinks implements AutoCloseable {
    private final List<MigrationLink> all = new ArrayList<>();

    /// Adds one, to be closed with this.
    void add(MigrationLink link) {
        all.add(link);
    }

    List<MigrationLink> all() {
        return List.copyOf(all);
    }

    @Override
    public void close() {
        all.forEach(MigrationLink::close);
    }
}
