/// Tests of the reader of Xen's images. [XlImage] and [HvmContextImage] write images from Xen's specifications.
@NullMarked
package io.xenemu.core.xenimage;

import org.jspecify.annotations.NullMarked;
