/// The immutable tree of nodes: paths, permissions, children. Pure values that do not depend on clients, watches or
/// transports.
@NullMarked
package io.xenemu.xenstore.tree;

import org.jspecify.annotations.NullMarked;
