/// The service: the domains of one process, the XenStore they share, and running a guest in the foreground.
@NullMarked
package io.xenemu.core.service;

import org.jspecify.annotations.NullMarked;
