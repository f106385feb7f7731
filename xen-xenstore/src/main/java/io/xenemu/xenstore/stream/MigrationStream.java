package io.xenemu.xenstore.stream;

import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.state.XenStoreState;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteOrder;

/// A store in the format that Xen documents for live update and migration (`docs/designs/xenstore-migration.md`):
/// versions 1 and 2, read in both byte orders, written little-endian. With [io.xenemu.xenstore.XenStoreServer#save()]
/// and `restore` it moves a store from this daemon to another one or back; C xenstored up to 4.2x takes version 1
/// only.
///
/// The stream carries all of a state, except what the format has no place for:
/// - Generations of nodes start again; the order of siblings is kept. A client in the middle of DIRECTORY_PART starts
///   over.
/// - Whether `@releaseDomain` has fired for a domain that is shut down: it may fire again, as after C xenstored's own
///   live update.
/// - Whether a ring is in the error state: its page says so, see [io.xenemu.xenstore.XenStoreServer#restore].
/// - The frame of a ring: it is that of entry 1 in the domain's grant table.
///
/// Open transactions are included with what they have read and written. Details that the document cannot express are in
/// bits that it leaves free (`PendingAccess`); without them, a transaction fails if any node that it has touched
/// changes. C xenstored neither writes nor reads transactions: it takes pending nodes for real ones, so give it only
/// states without open transactions ([#hasTransactions]).
///
/// Two things of C xenstored's are read and dropped: a permission of a domain that is gone, and the hypervisor's
/// unique number of a domain. DOMAIN_DATA of a domain without a ring is dropped too, since no state here needs it.
public final class MigrationStream {
    /// The version to write for a daemon that supports it. Version 1 has no depth of watches and no ring features.
    public static final int VERSION = 2;

    private MigrationStream() {}

    /// Writes a whole stream, and flushes it.
    ///
    /// @param version 1 or 2
    /// @throws WireException if the state has something that a stream of this version cannot express; the message says
    ///     what
    public static void write(XenStoreState state, int version, OutputStream out)
            throws IOException {
        if (version < 1 || version > VERSION) {
            throw WireException.unknownVersion("the xenstore stream's", version);
        }
        RecordWriter records = new RecordWriter(out, version, ByteOrder.LITTLE_ENDIAN);
        new StateWriter(state, version, records).write();
    }

    /// Writes a state as a stream, as [#write], to an array.
    ///
    /// @throws WireException if the state has something that a stream of this version cannot express
    public static byte[] encode(XenStoreState state, int version) throws WireException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            write(state, version, out);
        } catch (WireException e) {
            throw e;
        } catch (IOException e) {
            throw new IllegalStateException("memory cannot be written", e);
        }
        return out.toByteArray();
    }

    /// Reads a whole stream, and nothing after its end.
    ///
    /// @throws WireException if it is not such a stream, is cut off, or contradicts itself
    public static XenStoreState read(InputStream in) throws IOException {
        return new StateReader(new RecordReader(in)).read();
    }

    /// Reads the state of a stream that consists of exactly these bytes: see [#read].
    ///
    /// @throws WireException if they are not exactly such a stream
    public static XenStoreState decode(byte[] stream) throws WireException {
        ByteArrayInputStream in = new ByteArrayInputStream(stream);
        try {
            XenStoreState state = read(in);
            if (in.available() > 0) {
                throw new WireException(in.available() + " bytes behind a xenstore stream");
            }
            return state;
        } catch (WireException e) {
            throw e;
        } catch (IOException e) {
            throw new IllegalStateException("memory cannot be read", e);
        }
    }

    /// Whether some connection has an open transaction.
    public static boolean hasTransactions(XenStoreState state) {
        return state.domains().stream().anyMatch(d -> !d.connection().transactions().isEmpty())
                || state.sockets().stream().anyMatch(s -> !s.connection().transactions().isEmpty());
    }
}
