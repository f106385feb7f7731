/// What an operator installs: packages, the systemd unit.
@NullMarked
package io.xenemu.core.packages;

import org.jspecify.annotations.NullMarked;
