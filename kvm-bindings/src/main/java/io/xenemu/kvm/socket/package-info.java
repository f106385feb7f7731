/// Listening Unix-domain sockets of a service, and the check of their users.
@NullMarked
package io.xenemu.kvm.socket;

import org.jspecify.annotations.NullMarked;
