package io.xenemu.core.control;

import io.xenemu.core.json.Json;
import java.util.List;
import java.util.Locale;

/// The lines of the control protocol, one JSON object each:
///
/// | side | line |
/// |---|---|
/// | service | `{"xen-emu": {"protocol": 2, "version": "0.1", "process": 1234}}`, once |
/// | client | `{"id": 1, "verb": "list", "arguments": []}` |
/// | service | `{"id": 1, "progress": {...}}`, any number of times |
/// | service | `{"id": 1, "result": {...}}` or `{"id": 1, "error": {"type": "refused", "message": "..."}}` |
/// | service | `{"event": {...}}` after the result of `events` |
///
/// An error without an id is about the connection.
final class ControlProtocol {
    /// The version of the protocol. It goes up when an older client would misunderstand. Version 1 was a protocol of
    /// words instead of JSON.
    static final int VERSION = 2;

    /// The version of this program.
    static final String PROGRAM_VERSION = "0.1";

    /// The most bytes of a request, without the line's end: enough for a guest with several modules and a long kernel
    /// command line.
    static final int MAX_REQUEST = 64 << 10;

    /// The most lines of text in one line of the protocol, so that a result of any length stays within [#MAX_ANSWER].
    static final int MAX_TEXT = 1024;

    /// The most bytes of a line that a client reads. A line of text is a kilobyte at most, since names have 200
    /// characters at most.
    static final int MAX_ANSWER = 4 << 20;

    static final String GREETING = "xen-emu";
    static final String PROTOCOL = "protocol";

    /// The id of the service's process. Another one at the same path is the next version of the service.
    static final String PROCESS = "process";

    static final String ID = "id";
    static final String RESULT = "result";
    static final String PROGRESS = "progress";
    static final String ERROR = "error";
    static final String EVENT = "event";
    static final String TEXT = "text";
    static final String TYPE = "type";
    static final String MESSAGE = "message";

    /// The beginning of version 1's greeting.
    static final String OLD_GREETING = "xen-emu control protocol ";

    /// The beginning of version 1's refusals.
    static final String OLD_ERROR = "error: ";

    private ControlProtocol() {}

    static Json.Obj greeting() {
        return Json.EMPTY.with(
                GREETING,
                Json.EMPTY
                        .with(PROTOCOL, VERSION)
                        .with("version", PROGRAM_VERSION)
                        .with(PROCESS, ProcessHandle.current().pid()));
    }

    /// An error about the connection.
    static Json.Obj error(String type, String message) {
        return Json.EMPTY.with(ERROR, Json.EMPTY.with(TYPE, type).with(MESSAGE, message));
    }

    /// An error about a request.
    static Json.Obj error(long id, String type, String message) {
        return Json.EMPTY
                .with(ID, id)
                .with(ERROR, Json.EMPTY.with(TYPE, type).with(MESSAGE, message));
    }

    /// The word for a constant, such as `no-such-domain`.
    static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    static Json.Obj progress(long id, Json.Obj progress) {
        return Json.EMPTY.with(ID, id).with(PROGRESS, progress);
    }

    static Json.Obj result(long id, Json.Obj result) {
        return Json.EMPTY.with(ID, id).with(RESULT, result);
    }

    static Json.Obj text(List<String> lines) {
        return Json.EMPTY.with(TEXT, Json.texts(lines));
    }
}
