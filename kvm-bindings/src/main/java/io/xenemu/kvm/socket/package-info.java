/// Listening Unix-domain sockets of a service: [UnixListener] is one with its file, [PeerCredentials] checks the user
/// that connects, and [AcceptPause] says when to try again after accept(2) failed.
///
/// No locks: each object belongs to the thread that accepts.
@NullMarked
package io.xenemu.kvm.socket;

import org.jspecify.annotations.NullMarked;
