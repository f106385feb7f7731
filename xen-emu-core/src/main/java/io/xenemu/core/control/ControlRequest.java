package io.xenemu.core.control;

import io.xenemu.core.json.Json;
import io.xenemu.core.json.JsonException;
import io.xenemu.core.json.JsonReader;
import io.xenemu.core.json.JsonWriter;
import io.xenemu.core.toolstack.Refused;
import java.util.List;
import java.util.Set;

/// One request on the control socket: `{"id": 1, "verb": "shutdown", "arguments": ["web", "wait"]}`.
///
/// @param id the client's number for it, which every answer repeats
/// @param verb the name of a [Verb]
/// @param arguments a list of words, or an object with the arguments by name
public record ControlRequest(long id, String verb, Json arguments) {
    private static final String ID = "id";
    private static final String VERB = "verb";
    private static final String ARGUMENTS = "arguments";
    private static final Set<String> MEMBERS = Set.of(ID, VERB, ARGUMENTS);

    /// Reads a request.
    ///
    /// @param line without its end
    /// @throws Refused if it is not one
    static ControlRequest read(String line) throws Refused {
        Json json;
        try {
            json = JsonReader.read(line);
        } catch (JsonException e) {
            throw malformed(String.valueOf(e.getMessage()));
        }
        if (!(json instanceof Json.Obj request)) {
            throw malformed("it is no object");
        }
        for (String member : request.members().keySet()) {
            if (!MEMBERS.contains(member)) {
                throw malformed("no member is called '" + member + "'");
            }
        }
        if (!(request.find(ID) instanceof Json.Int(var id))) {
            throw malformed("it has no number 'id'");
        }
        String verb = request.text(VERB);
        if (verb == null) {
            throw malformed("it has no string 'verb'");
        }
        Json arguments = request.find(ARGUMENTS);
        return new ControlRequest(
                id, verb, arguments == null ? new Json.Array(List.of()) : arguments);
    }

    private static Refused malformed(String reason) {
        return new Refused(Refused.Kind.MALFORMED, "not a request: " + reason);
    }

    /// The line that a client sends, without its end.
    String line() {
        return JsonWriter.line(Json.EMPTY.with(ID, id).with(VERB, verb).with(ARGUMENTS, arguments));
    }
}
