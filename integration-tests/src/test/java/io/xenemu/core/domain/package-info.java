/// Programs for the lab that look inside a domain.
@NullMarked
package io.xenemu.core.domain;

import org.jspecify.annotations.NullMarked;
