package io.xenemu.core.xlcfg;

/// A line of a configuration.
///
/// @param source the file's name, or [XlCfg#COMMAND_LINE]
/// @param line counted from 1
record XlPlace(String source, int line) {
    @Override
    public String toString() {
        return source + ":" + line;
    }
}
