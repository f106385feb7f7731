package io.xenemu.core.cli;

import io.xenemu.core.hypervisor.HostException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.crypto.spec.PBEParameterSpec;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/// A host's certificate and key, and the certificates that it trusts, if it checks the other side: TLS 1.3 alone.
///
/// @param context made of them
record TlsIdentity(SSLContext context) {
    private static final String PROTOCOL = "TLSv1.3";
    private static final char[] NO_PASSWORD = new char[0];
    private static final int SALT_BYTES = 8;

    private static final Pattern KEY =
            Pattern.compile(
                    "-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");

    /// Reads the files.
    ///
    /// @throws HostException if one cannot be used
    static TlsIdentity of(Path certificate, Path key, Path authorities) throws HostException {
        try {
            KeyManagerFactory keys = keys(certificate, key);
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, NO_PASSWORD);
            int number = 0;
            for (Certificate authority : certificates(authorities)) {
                trusted.setCertificateEntry("authority-" + number, authority);
                number++;
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
            trust.init(trusted);
            SSLContext context = SSLContext.getInstance(PROTOCOL);
            context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
            return new TlsIdentity(context);
        } catch (GeneralSecurityException | IOException e) {
            throw new HostException("TLS: " + e.getMessage(), e);
        }
    }

    /// The identity of a server whose clients have no certificates.
    ///
    /// @throws HostException if a file cannot be used
    static TlsIdentity ofServer(Path certificate, Path key) throws HostException {
        try {
            SSLContext context = SSLContext.getInstance(PROTOCOL);
            context.init(keys(certificate, key).getKeyManagers(), null, null);
            return new TlsIdentity(context);
        } catch (GeneralSecurityException | IOException e) {
            throw new HostException("TLS: " + e.getMessage(), e);
        }
    }

    private static KeyManagerFactory keys(Path certificate, Path key)
            throws IOException, GeneralSecurityException {
        KeyStore own = KeyStore.getInstance(KeyStore.getDefaultType());
        own.load(null, NO_PASSWORD);
        own.setEntry(
                "own",
                new KeyStore.PrivateKeyEntry(
                        key(key), certificates(certificate).toArray(Certificate[]::new)),
                inMemory());
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, NO_PASSWORD);
        return keys;
    }

    /// For a key that only this process sees, and each handshake takes out again: by default, the JDK would derive what
    /// encrypts it in 10,000 steps each time.
    private static KeyStore.ProtectionParameter inMemory() {
        return new KeyStore.PasswordProtection(
                NO_PASSWORD,
                "PBEWithHmacSHA256AndAES_256",
                new PBEParameterSpec(new byte[SALT_BYTES], 1));
    }

    private static Collection<? extends Certificate> certificates(Path file)
            throws IOException, GeneralSecurityException {
        try (InputStream in = Files.newInputStream(file)) {
            Collection<? extends Certificate> all =
                    CertificateFactory.getInstance("X.509").generateCertificates(in);
            if (all.isEmpty()) {
                throw new IOException(file + " has no certificate");
            }
            return all;
        }
    }

    private static PrivateKey key(Path file) throws IOException, GeneralSecurityException {
        Matcher pem = KEY.matcher(Files.readString(file));
        if (!pem.find()) {
            throw new IOException(file + " has no private key in PKCS #8");
        }
        byte[] bytes = Base64.getMimeDecoder().decode(pem.group(1));
        for (String algorithm : List.of("EC", "RSA", "Ed25519")) {
            try {
                return KeyFactory.getInstance(algorithm)
                        .generatePrivate(new PKCS8EncodedKeySpec(bytes));
            } catch (InvalidKeySpecException e) {
                // One of another algorithm.
            }
        }
        throw new IOException(file + " has a key of an unknown algorithm");
    }

    /// A client's end over a connection.
    ///
    /// @param host the name or address for which the other certificate has to be
    SSLSocket client(Socket socket, String host) throws IOException {
        SSLSocket tls =
                (SSLSocket)
                        context.getSocketFactory()
                                .createSocket(socket, host, socket.getPort(), true);
        SSLParameters parameters = tls.getSSLParameters();
        parameters.setProtocols(new String[] {PROTOCOL});
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        tls.setSSLParameters(parameters);
        return tls;
    }

    /// A server's socket, not bound.
    SSLServerSocket server() throws IOException {
        SSLServerSocket server =
                (SSLServerSocket) context.getServerSocketFactory().createServerSocket();
        SSLParameters parameters = server.getSSLParameters();
        parameters.setProtocols(new String[] {PROTOCOL});
        parameters.setNeedClientAuth(true);
        server.setSSLParameters(parameters);
        return server;
    }
}
