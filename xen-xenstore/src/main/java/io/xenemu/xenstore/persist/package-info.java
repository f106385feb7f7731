/// The file that keeps a store, so that every acknowledged change survives the end of the process (`xen-emu
/// xenstored --persist`).
///
/// Start at [Journal]: it writes the difference between two versions of the immutable tree, so a change itself
/// costs nothing more. [RecordFile] is the layout of the file.
///
/// Families of files:
///
/// - Writing: [Journal], [ChangeRecord], [RecordSize], [FileRoom] (room on the disk before a change is made),
///   [JournalFiles] (names of the files), [Disk].
/// - Reading: [RecordReader] tells a write that was cut off from damage, [RestoredImage] collects changes,
///   [StoreImage] is one version of a store.
/// - For the operator: [JournalMetrics], [PersistException].
///
/// Locks, from above to below: that of [Journal], the store's own, that of [FileRoom], the monitor of [RecordFile].
/// So a thread that holds the store's lock may ask for room, and must not commit.
@NullMarked
package io.xenemu.xenstore.persist;

import org.jspecify.annotations.NullMarked;
