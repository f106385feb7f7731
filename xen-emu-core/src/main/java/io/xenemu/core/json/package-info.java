/// JSON, as far as the service needs it: the control protocol, and files of other programs.
///
/// Start at [Json]. [JsonReader] reads a text strictly, and throws [JsonException]; [JsonWriter] writes a line,
/// [IndentedJson] several.
///
/// No locks.
@NullMarked
package io.xenemu.core.json;

import org.jspecify.annotations.NullMarked;
