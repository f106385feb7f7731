/// Listening Unix-domain sockets of a service, and who may use them.
@NullMarked
package io.xenemu.kvm.socket;

import org.jspecify.annotations.NullMarked;
