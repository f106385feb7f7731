/// Xen's own migration stream of a store, as `docs/designs/xenstore-migration.md` describes it: the common language
/// of xenstore daemons, to move a store from one to another.
///
/// Start at [MigrationStream]. [StateWriter] turns a state into [StreamRecord]s for [RecordWriter]; [RecordReader]
/// reads them and [StateReader] collects them. [PendingTransaction], [PendingView] and [PendingAccess] are open
/// transactions.
///
/// No locks: everything works on values.
@NullMarked
package io.xenemu.xenstore.stream;

import org.jspecify.annotations.NullMarked;
