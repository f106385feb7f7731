/// Listening Unix-domain sockets of a service: [UnixListener] is one with its file, [PeerCredentials] checks the user
/// that connects, and [AcceptPause] says when to try again after accept(2) failed. [StreamListener] is one whose thread
/// waits for other descriptors too, and which another process can take over; it may be this process's [StandardInput].
/// [SocketFile] is the file of both.
///
/// [StreamSocket] is the other end: a socket that this process connects. It moves data straight between the kernel and
/// the host addresses of [io.xenemu.kvm.file.IoVectors].
///
/// [MessageSocket] carries whole messages with descriptors between two processes of one user.
///
/// No locks: each object belongs to the thread that accepts; a [StreamSocket] to one thread that sends and one that
/// receives. Several threads may send through a [MessageSocket], whose monitor is a leaf.
@NullMarked
package io.xenemu.kvm.socket;

import org.jspecify.annotations.NullMarked;
