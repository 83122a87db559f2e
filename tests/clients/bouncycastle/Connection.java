package bouncycastle;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.HashSet;
import java.util.Set;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLSession;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseDefaultHostnameAuthorizer;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.est.jcajce.JsseHostnameAuthorizer;
import org.bouncycastle.jsse.provider.BouncyCastleJsseProvider;

/** How Bouncy Castle's EST client reaches the server: whom it trusts, who it is. */
final class Connection {
    private static final int TIMEOUT_MILLISECONDS = 20_000;

    private final JsseESTServiceBuilder builder;

    Connection(String server, String label, X509Certificate[] trusted, String version) {
        Set<TrustAnchor> anchors = new HashSet<>();
        for (X509Certificate certificate : trusted) {
            anchors.add(new TrustAnchor(certificate, null));
        }
        builder =
                new JsseESTServiceBuilder(
                        server, JcaJceUtils.getCertPathTrustManager(anchors, null));
        builder.withLabel(label);
        builder.withTLSVersion(version);
        builder.withTimeout(TIMEOUT_MILLISECONDS);
        builder.withHostNameAuthorizer(new TellingAuthorizer());
    }

    /** Speaks Bouncy Castle's own TLS and puts its tls-unique into each CSR. */
    Connection bound() {
        builder.withProvider(new BouncyCastleJsseProvider());
        builder.withChannelBindingProvider(new BoundConnection());
        return this;
    }

    /** Shows this certificate in the TLS handshake. */
    Connection identifiedBy(PrivateKey key, X509Certificate[] chain)
            throws GeneralSecurityException, IOException {
        char[] unused = new char[0];
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("device", key, unused, chain);
        KeyManagerFactory managers =
                KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(store, unused);
        builder.withKeyManagers(managers.getKeyManagers());
        return this;
    }

    ESTService service() {
        return builder.build();
    }

    /** Bouncy Castle's own comparison of names, and tells which TLS version was agreed on. */
    private static final class TellingAuthorizer implements JsseHostnameAuthorizer {
        private final JsseHostnameAuthorizer usual =
                new JsseDefaultHostnameAuthorizer(new HashSet<>());

        @Override
        public boolean verified(String name, SSLSession session) throws IOException {
            System.out.println("protocol=" + session.getProtocol());
            return usual.verified(name, session);
        }
    }
}
