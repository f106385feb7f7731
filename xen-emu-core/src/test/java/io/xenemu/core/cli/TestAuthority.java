package io.xenemu.core.cli;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/// A certificate authority for tests, by the JDK's `keytool`.
final class TestAuthority {
    private static final String PASSWORD = "password";

    private final Path folder;
    private final String name;

    /// @param name of the authority; its files are in the folder
    TestAuthority(Path folder, String name) throws Exception {
        this.folder = folder;
        this.name = name;
        keytool(
                name,
                "-genkeypair",
                "-alias",
                name,
                "-dname",
                "CN=" + name,
                "-ext",
                "bc:c",
                "-keyalg",
                "EC");
        Files.write(certificate(), keytool(name, "-exportcert", "-rfc", "-alias", name));
    }

    /// The authority's certificate.
    Path certificate() {
        return folder.resolve(name + ".pem");
    }

    /// Makes a host's certificate and key.
    ///
    /// @param host the files are HOST.pem and HOST.key
    /// @param begin such as `-2d`; it is valid for a day
    void sign(String host, String begin) throws Exception {
        keytool(host, "-genkeypair", "-alias", host, "-dname", "CN=" + host, "-keyalg", "EC");
        Files.write(folder.resolve(host + ".csr"), keytool(host, "-certreq", "-alias", host));
        byte[] signed =
                keytool(
                        name,
                        "-gencert",
                        "-rfc",
                        "-alias",
                        name,
                        "-infile",
                        folder.resolve(host + ".csr").toString(),
                        "-startdate",
                        begin,
                        "-validity",
                        "1",
                        "-ext",
                        "san=ip:127.0.0.1");
        Files.write(certificate(host), signed);
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = new FileInputStream(folder.resolve(host + ".p12").toFile())) {
            store.load(in, PASSWORD.toCharArray());
        }
        Key key = store.getKey(host, PASSWORD.toCharArray());
        Files.writeString(
                key(host),
                "-----BEGIN PRIVATE KEY-----\n"
                        + Base64.getMimeEncoder().encodeToString(key.getEncoded())
                        + "\n-----END PRIVATE KEY-----\n");
    }

    Path certificate(String host) {
        return folder.resolve(host + ".pem");
    }

    Path key(String host) {
        return folder.resolve(host + ".key");
    }

    private byte[] keytool(String store, String... words) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
        command.addAll(List.of(words));
        command.addAll(
                List.of(
                        "-keystore",
                        folder.resolve(store + ".p12").toString(),
                        "-storetype",
                        "PKCS12",
                        "-storepass",
                        PASSWORD,
                        "-J-XX:+UseSerialGC"));
        Path error = folder.resolve("keytool.err");
        Process process = new ProcessBuilder(command).redirectError(error.toFile()).start();
        byte[] out = process.getInputStream().readAllBytes();
        if (process.waitFor() != 0) {
            throw new IOException(command + ": " + Files.readString(error));
        }
        return out;
    }
}
