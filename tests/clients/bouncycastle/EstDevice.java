package bouncycastle;

import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.est.CACertsResponse;
import org.bouncycastle.est.ESTAuth;
import org.bouncycastle.est.ESTException;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.HttpAuth;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;

/**
 * A device that enrolls with Bouncy Castle's own EST client over the JDK's TLS.
 *
 * <p>Usage: {@code EstDevice COMMAND NAME=VALUE...}; COMMAND is {@code cacerts}, {@code enroll} or
 * {@code renew}. Always: {@code server=HOST:PORT label=PATH_ID ca=FILE out=FILE}. For enroll: {@code
 * subject=DN user=NAME password=TEXT key=NEW_KEY_FILE}. For renew: {@code key=NEW_KEY_FILE
 * oldkey=FILE oldcert=FILE}, and {@code subject=DN} to ask for another name than the old
 * certificate's. Further {@code tls=TLSv1.2}, and {@code bound=yes} to bind the CSR to its
 * connection (only Bouncy Castle's own TLS can, and only TLS 1.2). Exits with 0, or with 3 when the server refused (its status is printed).
 */
public final class EstDevice {
    private static final int EXIT_REFUSED = 3;
    /** RFC 7030 §3.2.3 as our server words it; the client compares it with the challenge. */
    private static final String REALM = "est-enrollment";

    private final Map<String, String> options;

    private EstDevice(Map<String, String> options) {
        this.options = options;
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (String argument : List.of(arguments).subList(1, arguments.length)) {
            String[] parts = argument.split("=", 2);
            options.put(parts[0], parts[1]);
        }
        // Its path validation asks for its own provider by name.
        Security.addProvider(new BouncyCastleProvider());
        EstDevice device = new EstDevice(options);
        try {
            device.run(arguments[0]);
        } catch (ESTException refused) {
            if (refused.getStatusCode() == 0) {
                throw refused;
            }
            System.out.println("refused status=" + refused.getStatusCode());
            System.exit(EXIT_REFUSED);
        }
    }

    private void run(String command) throws Exception {
        switch (command) {
            case "cacerts" -> cacerts();
            case "enroll" -> enroll();
            case "renew" -> renew();
            default -> throw new IllegalArgumentException(command);
        }
    }

    private void cacerts() throws Exception {
        CACertsResponse response = connection().service().getCACerts();
        System.out.println("trusted=" + response.isTrusted());
        PemFiles.writeAll(path("out"), ESTService.storeToArray(response.getCertificateStore()));
    }

    private void enroll() throws Exception {
        ESTAuth password =
                new HttpAuth(REALM, option("user"), option("password").toCharArray());
        KeyPair fresh = newKey();
        X500Name subject = new X500Name(option("subject"));
        keep(certified(connection(), false, subject, fresh, password));
    }

    private void renew() throws Exception {
        X509CertificateHolder[] chain = PemFiles.readCertificates(path("oldcert"));
        X500Name subject =
                options.containsKey("subject")
                        ? new X500Name(option("subject"))
                        : chain[0].getSubject();
        Connection connection =
                connection()
                        .identifiedBy(PemFiles.readKey(path("oldkey")), certificates(chain));
        keep(certified(connection, true, subject, newKey(), null));
    }

    private void keep(EnrollmentResponse response) throws Exception {
        PemFiles.writeAll(path("out"), ESTService.storeToArray(response.getStore()));
    }

    private Connection connection() throws Exception {
        X509CertificateHolder[] anchors = PemFiles.readCertificates(path("ca"));
        String version = options.getOrDefault("tls", "TLSv1.3");
        return new Connection(option("server"), option("label"), certificates(anchors), version);
    }

    private KeyPair newKey() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        KeyPair pair = generator.generateKeyPair();
        PemFiles.writeKey(path("key"), pair.getPrivate());
        return pair;
    }

    private EnrollmentResponse certified(
            Connection connection, boolean renewal, X500Name subject, KeyPair pair, ESTAuth auth)
            throws IOException, OperatorCreationException {
        PKCS10CertificationRequestBuilder builder =
                new JcaPKCS10CertificationRequestBuilder(subject, pair.getPublic());
        ContentSigner signer =
                new JcaContentSignerBuilder("SHA256withECDSA").build(pair.getPrivate());
        if (options.containsKey("bound")) {
            ESTService service = connection.bound().service();
            return service.simpleEnrollPoP(renewal, builder, signer, auth);
        }
        return connection.service().simpleEnroll(renewal, builder.build(signer), auth);
    }

    private static X509Certificate[] certificates(X509CertificateHolder[] holders)
            throws GeneralSecurityException {
        JcaX509CertificateConverter converter = new JcaX509CertificateConverter();
        X509Certificate[] found = new X509Certificate[holders.length];
        for (int i = 0; i < holders.length; i++) {
            found[i] = converter.getCertificate(holders[i]);
        }
        return found;
    }

    private Path path(String name) {
        return Path.of(option(name));
    }

    private String option(String name) {
        String value = options.get(name);
        if (value == null) {
            throw new IllegalArgumentException("missing: " + name);
        }
        return value;
    }
}
