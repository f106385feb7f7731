/// Xen's own migration stream of a store, as `docs/designs/xenstore-migration.md` has it: the common language of
/// xenstore daemons, to move a store from one to another. [MigrationStream] is the way in.
@NullMarked
package io.xenemu.xenstore.stream;

import org.jspecify.annotations.NullMarked;
