/// Configuration files of xl (xl.cfg(5)): their syntax, and the guest that one describes.
///
/// - Syntax: [XlLexer] makes [XlToken]s, [XlCfg] makes [XlSetting]s with [XlValue]s of them, each with its [XlPlace].
/// - Meaning: [XlKey] is the table of keys with their [XlUse] and [XlForm]; [XlStart] has the keys that count together,
///   [XlGuest] makes the settings of a guest.
/// - [XlCfgException] is the one line for a file of which no guest can be made.
@NullMarked
package io.xenemu.core.xlcfg;

import org.jspecify.annotations.NullMarked;
