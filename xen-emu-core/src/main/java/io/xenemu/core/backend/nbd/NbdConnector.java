package io.xenemu.core.backend.nbd;

import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes the connections of an [NbdStore]. Needs no lock; one thread at a time uses it, but for [#size].
final class NbdConnector {
    private static final Logger log = LoggerFactory.getLogger(NbdConnector.class);

    /// Connections where the server allows several: one receives and copies while the other does.
    private static final int MOST_CONNECTIONS = 2;

    private final NbdStore store;
    private final NbdServer server;
    private final NbdExport export;

    /// @param export as it was when the store was opened
    NbdConnector(NbdStore store, NbdServer server, NbdExport export) {
        this.store = store;
        this.server = server;
        this.export = export;
    }

    private NbdConnection open() throws IOException {
        return NbdConnection.open(server, store.lock().newCondition());
    }

    /// Makes connections, and gives a new server what the old one may have lost.
    ///
    /// @throws NbdException a final one if the export is not what it was
    List<NbdConnection> connect() throws IOException {
        NbdConnection first = open();
        boolean complete = false;
        try {
            if (!first.export.canReplace(export)) {
                throw new NbdException(server + " has another export than before", true);
            }
            store.queue().journal().forEach(first::call);
            List<NbdConnection> all = more(first);
            complete = true;
            return all;
        } finally {
            if (!complete) {
                first.close();
            }
        }
    }

    /// Makes further connections if the server allows them; with fewer the disk works too.
    ///
    /// @return them all, with the first
    List<NbdConnection> more(NbdConnection first) {
        List<NbdConnection> all = new ArrayList<>(List.of(first));
        try {
            while (all.size() < MOST_CONNECTIONS && first.export.canMultiConnect()) {
                all.add(open());
            }
        } catch (IOException | KvmException e) {
            log.info("{}: {} connections: {}", store.name(), all.size(), e.getMessage());
        }
        return all;
    }

    /// The export's size as the server says it now, in bytes; empty if it does not.
    OptionalLong size() {
        try (NbdConnection connection = open()) {
            connection.disconnect();
            return OptionalLong.of(connection.export.size());
        } catch (IOException | KvmException e) {
            log.warn("{}: no new size: {}", store.name(), e.getMessage());
            return OptionalLong.empty();
        }
    }
}
